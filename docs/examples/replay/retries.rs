//! Which attempt a task of a Nextflow run retries. The dump does not name it, and names of tasks repeat.
//!
//! Certain is what leaves no choice: one task alone has the same name, the same script but for the number of CPUs
//! (a retry asks for more of them), an `attempt` that is one less, and has not completed; and no other retry has
//! all these in common with it.

use std::collections::HashMap;

use super::members::{Members, text_at};

/// An attempt at a task, as far as it matters here.
#[derive(Debug)]
pub struct Task {
    name: String,
    attempt: Option<u64>,
    /// The script with a sign where it has the number of CPUs.
    script: String,
    completed: bool,
}

impl Task {
    pub fn new(members: &Members<'_>, completed: bool) -> Self {
        let text = |member| text_at(members, member);
        let script = text("script").unwrap_or_default();
        Self {
            name: text("name").unwrap_or_default(),
            attempt: text("attempt").and_then(|attempt| attempt.parse().ok()),
            script: text("cpus").map_or(script.clone(), |cpus| without(&script, &cpus)),
            completed,
        }
    }

    fn key(&self, attempt: u64) -> (&str, &str, u64) {
        (&self.name, &self.script, attempt)
    }
}

/// For each task the place of the one that it retries.
pub fn previous(tasks: &[Task]) -> Vec<Option<usize>> {
    let mut alike: HashMap<_, Vec<usize>> = HashMap::new();
    for (place, task) in tasks.iter().enumerate() {
        if let Some(attempt) = task.attempt {
            alike.entry(task.key(attempt)).or_default().push(place);
        }
    }
    let before = |task: &Task| {
        let attempt = task.attempt?;
        let rivals = alike.get(&task.key(attempt))?;
        let before = alike.get(&task.key(attempt.checked_sub(1)?))?;
        let mut open = before.iter().filter(|place| tasks.get(**place).is_some_and(|task| !task.completed));
        match (open.next(), open.next()) {
            (Some(place), None) if rivals.len() == 1 => Some(*place),
            _ => None,
        }
    };
    tasks.iter().map(before).collect()
}

/// The script with a sign in place of each word that is the number of CPUs.
fn without(script: &str, cpus: &str) -> String {
    let words = script.split_inclusive(|c: char| !c.is_alphanumeric());
    let word = |word: &str| match word.strip_prefix(cpus) {
        Some(rest) if !rest.starts_with(char::is_alphanumeric) => format!("\0{rest}"),
        _ => word.to_owned(),
    };
    words.map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str, attempt: u64, cpus: u32, region: &str, completed: bool) -> Task {
        let script = format!("call --shards={cpus} --region=chr{region}_13\\n");
        let text =
            format!(r#"{{"name": "{name}", "attempt": {attempt}, "cpus": {cpus}, "script": "{script}"}}"#);
        Task::new(&serde_json::from_str(&text).unwrap(), completed)
    }

    #[test]
    fn a_retry_is_found_among_tasks_of_the_same_name() {
        let tasks = [
            task("a", 1, 12, "4", false),
            task("a", 1, 12, "16", false),
            task("a", 2, 16, "16", false),
            task("a", 2, 16, "4", false),
            task("a", 3, 16, "16", true),
            task("b", 2, 16, "16", true),
        ];
        assert_eq!(previous(&tasks), [None, None, Some(1), Some(0), Some(2), None]);
    }

    #[test]
    fn where_there_is_a_choice_nothing_is_linked() {
        let two_before =
            [task("a", 1, 1, "x", false), task("a", 1, 1, "x", false), task("a", 2, 2, "x", true)];
        assert_eq!(previous(&two_before), [None; 3]);
        let two_after =
            [task("a", 1, 1, "x", false), task("a", 2, 2, "x", false), task("a", 2, 2, "x", true)];
        assert_eq!(previous(&two_after), [None; 3]);
        let done_before =
            [task("a", 1, 1, "x", true), task("a", 2, 2, "x", true), task("a", 4, 2, "x", true)];
        assert_eq!(previous(&done_before), [None; 3]);
        let one_done = [task("a", 1, 1, "x", true), task("a", 1, 1, "x", false), task("a", 2, 2, "x", true)];
        assert_eq!(previous(&one_done), [None, None, Some(1)]);
    }
}
