//! What tools and operators call: listing, information, deletion and pruning.

use duroxide::Event;
use duroxide::providers::{
    DeleteInstanceResult, ExecutionInfo, InstanceFilter, InstanceInfo, ProviderAdmin, ProviderError,
    PruneOptions, PruneResult, QueueDepths, SystemMetrics,
};

use super::history::Payload;
use super::instances::{children, chosen, current, delete, instances, prune, tree};
use super::records::Instance;
use super::{ExecstoreProvider, history, invalid, mailbox, millis_of, work};
use crate::{Execution, Readable};

#[async_trait::async_trait]
impl ProviderAdmin for ExecstoreProvider {
    async fn list_instances(&self) -> Result<Vec<String>, ProviderError> {
        self.read("list_instances", |r| Ok(instances(r)?.into_iter().map(|(name, _)| name).collect()))
    }

    async fn list_instances_by_status(&self, status: &str) -> Result<Vec<String>, ProviderError> {
        self.read("list_instances_by_status", |r| {
            let mut names = Vec::new();
            for (name, instance) in instances(r)? {
                if current(r, &name, &instance)?.is_some_and(|execution| execution.state == status) {
                    names.push(name);
                }
            }
            Ok(names)
        })
    }

    async fn list_executions(&self, instance: &str) -> Result<Vec<u64>, ProviderError> {
        self.read("list_executions", |r| {
            Ok(history::executions(r, instance)?.iter().map(|execution| execution.attempt).collect())
        })
    }

    async fn read_history_with_execution_id(
        &self,
        instance: &str,
        execution_id: u64,
    ) -> Result<Vec<Event>, ProviderError> {
        const OPERATION: &str = "read_history_with_execution_id";
        let stored = self.read(OPERATION, |r| history::stored(r, &history::id(instance, execution_id)))?;
        history::parse(&stored).map_err(|why| ProviderError::permanent(OPERATION, why))
    }

    async fn read_history(&self, instance: &str) -> Result<Vec<Event>, ProviderError> {
        duroxide::providers::Provider::read(self, instance).await
    }

    async fn latest_execution_id(&self, instance: &str) -> Result<u64, ProviderError> {
        self.read("latest_execution_id", |r| history::latest(r, instance))
    }

    async fn get_instance_info(&self, instance: &str) -> Result<InstanceInfo, ProviderError> {
        const OPERATION: &str = "get_instance_info";
        self.read(OPERATION, |r| {
            let Some(known) = history::instance(r, instance)? else {
                return Err(invalid(OPERATION, format!("instance {instance} not found")));
            };
            let execution = current(r, instance, &known)?;
            let status = execution.as_ref().map_or("Unknown", |execution| execution.state.as_str());
            let payload = execution.as_ref().map(Execution::payload::<Payload>).transpose()?;
            Ok(InstanceInfo {
                instance_id: instance.to_owned(),
                orchestration_name: known.orchestration,
                orchestration_version: known.version,
                current_execution_id: known.execution,
                status: status.to_owned(),
                output: payload.and_then(|payload| payload.output),
                created_at: known.created_at,
                updated_at: known.updated_at,
                parent_instance_id: known.parent,
            })
        })
    }

    async fn get_execution_info(
        &self,
        instance: &str,
        execution_id: u64,
    ) -> Result<ExecutionInfo, ProviderError> {
        const OPERATION: &str = "get_execution_info";
        self.read(OPERATION, |r| {
            let Some(execution) = r.get(history::id(instance, execution_id))? else {
                let why = format!("execution {execution_id} of instance {instance} not found");
                return Err(invalid(OPERATION, why));
            };
            Ok(ExecutionInfo {
                execution_id,
                status: execution.state.as_str().to_owned(),
                output: execution.payload::<Payload>()?.output,
                started_at: millis_of(execution.created_at),
                completed_at: history::ended_at(&execution),
                event_count: usize::try_from(execution.event_count).unwrap_or(usize::MAX),
            })
        })
    }

    async fn get_system_metrics(&self) -> Result<SystemMetrics, ProviderError> {
        self.read("get_system_metrics", |r| {
            let mut metrics = SystemMetrics::default();
            for (name, instance) in instances(r)? {
                metrics.total_instances += 1;
                for execution in history::executions(r, &name)? {
                    metrics.total_executions += 1;
                    metrics.total_events += execution.event_count;
                    if execution.attempt != instance.execution {
                        continue;
                    }
                    match execution.state.as_str() {
                        "Running" => metrics.running_instances += 1,
                        "Completed" => metrics.completed_instances += 1,
                        "Failed" => metrics.failed_instances += 1,
                        _ => {}
                    }
                }
            }
            Ok(metrics)
        })
    }

    async fn get_queue_depths(&self) -> Result<QueueDepths, ProviderError> {
        self.read("get_queue_depths", |r| {
            Ok(QueueDepths {
                orchestrator_queue: mailbox::depth(r)?,
                worker_queue: work::all(r)?.iter().filter(|entry| entry.lease == 0).count(),
                // Timers are messages to be seen later.
                timer_queue: 0,
            })
        })
    }

    async fn list_children(&self, instance_id: &str) -> Result<Vec<String>, ProviderError> {
        self.read("list_children", |r| children(r, instance_id))
    }

    async fn get_parent_id(&self, instance_id: &str) -> Result<Option<String>, ProviderError> {
        const OPERATION: &str = "get_parent_id";
        self.read(OPERATION, |r| match history::instance(r, instance_id)? {
            Some(instance) => Ok(instance.parent),
            None => Err(invalid(OPERATION, format!("instance {instance_id} not found"))),
        })
    }

    async fn delete_instances_atomic(
        &self,
        ids: &[String],
        force: bool,
    ) -> Result<DeleteInstanceResult, ProviderError> {
        let ids = ids.to_vec();
        self.write("delete_instances_atomic", move |w| delete(w, &ids, force)).await
    }

    async fn delete_instance_bulk(
        &self,
        filter: InstanceFilter,
    ) -> Result<DeleteInstanceResult, ProviderError> {
        const OPERATION: &str = "delete_instance_bulk";
        let is_over = |instance: &Instance, execution: &Execution| {
            instance.parent.is_none() && execution.state.is_terminal()
        };
        let mut result = DeleteInstanceResult::default();
        for name in self.read(OPERATION, |r| chosen(r, &filter, is_over))? {
            // A transaction each: those under it may have changed since.
            let deleted = self.write(OPERATION, move |w| {
                let all = tree(w, &name)?;
                delete(w, &all, true)
            });
            let deleted = deleted.await?;
            result.instances_deleted += deleted.instances_deleted;
            result.executions_deleted += deleted.executions_deleted;
            result.events_deleted += deleted.events_deleted;
            result.queue_messages_deleted += deleted.queue_messages_deleted;
        }
        Ok(result)
    }

    async fn prune_executions(
        &self,
        instance_id: &str,
        options: PruneOptions,
    ) -> Result<PruneResult, ProviderError> {
        let name = instance_id.to_owned();
        self.write("prune_executions", move |w| prune(w, &name, &options)).await
    }

    async fn prune_executions_bulk(
        &self,
        filter: InstanceFilter,
        options: PruneOptions,
    ) -> Result<PruneResult, ProviderError> {
        let mut result = PruneResult::default();
        for name in self.read("prune_executions_bulk", |r| chosen(r, &filter, |_, _| true))? {
            let pruned = self.prune_executions(&name, options.clone()).await?;
            result.instances_processed += pruned.instances_processed;
            result.executions_deleted += pruned.executions_deleted;
            result.events_deleted += pruned.events_deleted;
        }
        Ok(result)
    }
}
