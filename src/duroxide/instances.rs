//! Instances as a whole: listing, choosing, deleting and pruning them.

use duroxide::providers::{DeleteInstanceResult, InstanceFilter, PruneOptions, PruneResult};

use super::records::{CHILDREN, INSTANCES, Instance, decode};
use super::{history, invalid, mailbox, values, work};
use crate::buckets::{key, parse_key};
use crate::{Error, Execution, Readable, Writer};

/// So many instances go at a time if nobody says otherwise, as with duroxide's own provider.
const MANY: u32 = 1_000;

/// All instances, the newest first.
pub(super) fn instances(r: &impl Readable) -> Result<Vec<(String, Instance)>, Error> {
    let mut all = Vec::new();
    for row in r.bucket(INSTANCES)?.iter()? {
        let row = row?;
        let name: String = parse_key(&row.key).map_err(Error::caller)?;
        all.push((name, decode::<Instance>(&row.value)?));
    }
    all.sort_by(|(one, first), (other, second)| {
        second.created_at.cmp(&first.created_at).then_with(|| one.cmp(other))
    });
    Ok(all)
}

pub(super) fn current(
    r: &impl Readable,
    name: &str,
    instance: &Instance,
) -> Result<Option<Execution>, Error> {
    Ok(r.get(history::id(name, instance.execution))?)
}

/// The instances that a filter is about, with their current executions, the newest first.
pub(super) fn chosen(
    r: &impl Readable,
    filter: &InstanceFilter,
    keep: impl Fn(&Instance, &Execution) -> bool,
) -> Result<Vec<String>, Error> {
    let most = filter.limit.unwrap_or(MANY) as usize;
    let mut names = Vec::new();
    for (name, instance) in instances(r)? {
        if names.len() == most {
            break;
        }
        if filter.instance_ids.as_ref().is_some_and(|ids| !ids.contains(&name)) {
            continue;
        }
        let Some(execution) = current(r, &name, &instance)? else { continue };
        let ended = history::ended_at(&execution);
        let is_early = |before| ended.is_some_and(|ended| ended < before);
        if filter.completed_before.is_none_or(is_early) && keep(&instance, &execution) {
            names.push(name);
        }
    }
    Ok(names)
}

pub(super) fn children(r: &impl Readable, name: &str) -> Result<Vec<String>, Error> {
    let rows = r.bucket(CHILDREN)?.with_prefix(key(&name))?;
    rows.map(|row| {
        let (_, child): (String, String) = parse_key(row?.key).map_err(Error::caller)?;
        Ok(child)
    })
    .collect()
}

/// An instance and those under it.
pub(super) fn tree(r: &impl Readable, root: &str) -> Result<Vec<String>, Error> {
    let mut all = vec![root.to_owned()];
    let mut seen = 0;
    while let Some(name) = all.get(seen).cloned() {
        all.extend(children(r, &name)?);
        seen += 1;
    }
    Ok(all)
}

pub(super) fn delete(w: &mut Writer<'_>, ids: &[String], force: bool) -> Result<DeleteInstanceResult, Error> {
    const OPERATION: &str = "delete_instances_atomic";
    let mut result = DeleteInstanceResult::default();
    for id in ids {
        let Some(instance) = history::instance(w, id)? else { continue };
        let execution = current(w, id, &instance)?;
        if !force && execution.is_some_and(|execution| execution.state == history::RUNNING) {
            return Err(invalid(OPERATION, format!("the instance {id} is running; cancel it, or use force")));
        }
        if let Some(orphan) = children(w, id)?.into_iter().find(|child| !ids.contains(child)) {
            return Err(invalid(
                OPERATION,
                format!("{orphan} would be an orphan of {id}, which is to be deleted"),
            ));
        }
    }
    for id in ids {
        let (executions, events) = history::remove(w, id)?;
        let messages = mailbox::remove(w, id)? + work::remove(w, id)?;
        values::remove(w, id)?;
        result.instances_deleted += 1;
        result.executions_deleted += executions;
        result.events_deleted += events;
        result.queue_messages_deleted += messages;
    }
    Ok(result)
}

pub(super) fn prune(w: &mut Writer<'_>, name: &str, options: &PruneOptions) -> Result<PruneResult, Error> {
    let Some(instance) = history::instance(w, name)? else {
        return Err(invalid("prune_executions", format!("instance {name} not found")));
    };
    let mut executions = history::executions(w, name)?;
    executions.reverse();
    let mut result = PruneResult { instances_processed: 1, ..PruneResult::default() };
    for execution in executions.into_iter().skip(options.keep_last.unwrap_or_default() as usize) {
        let ended = history::ended_at(&execution);
        let is_early = |before| ended.is_some_and(|ended| ended < before);
        if execution.attempt == instance.execution
            || execution.state == history::RUNNING
            || !options.completed_before.is_none_or(is_early)
        {
            continue;
        }
        result.executions_deleted += 1;
        result.events_deleted += w.delete(&execution.id)?.event_count;
    }
    Ok(result)
}
