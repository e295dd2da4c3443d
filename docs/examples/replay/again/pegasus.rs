//! Stampede events, read again: what begins, and the job's last instance when another begins.

use std::error::Error;

use super::Told;

pub fn read(file: &str) -> Result<Vec<Told>, Box<dyn Error>> {
    let mut told: Vec<Told> = Vec::new();
    for line in file.lines() {
        // Without what is quoted the pairs lie between spaces.
        let bare = line.replace("\\\"", "").split('"').step_by(2).collect::<String>();
        let value = |key: &str| bare.split(' ').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        let of = |keys: &[&str]| keys.iter().map(|key| value(key)).collect::<Option<Vec<_>>>();
        let all = ["xwf.id", "job.id", "job_inst.id", "inv.id"];
        let depth = match value("event").unwrap_or_default() {
            "stampede.wf.plan" => 1,
            "stampede.job.info" => 2,
            "stampede.job_inst.submit.start" => 3,
            "stampede.inv.start" => 4,
            _ => continue,
        };
        let mut parts = of(all.get(..depth).unwrap_or_default()).ok_or("a line does not name what begins")?;
        let id = parts.join("/");
        parts.pop();
        let above = Some(parts.join("/")).filter(|above| !above.is_empty());
        let parent = above.or_else(|| value("parent.xwf.id").map(str::to_owned));
        let before = told.iter().rev().find(|before| depth == 3 && before.parent == parent);
        let previous = before.map(|before| before.id.clone());
        told.push(Told { id, parent, previous, object: None });
    }
    Ok(told)
}
