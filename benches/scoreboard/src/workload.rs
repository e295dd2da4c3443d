//! What is written: deterministic executions and events of both kinds of id, and the steps of a lifecycle.

use std::collections::BTreeMap;

use uuid::Builder;

use crate::record::{Desired, Event, Header, Record, State};

const EPOCH_MS: u64 = 1_780_000_000_000;
const JOBS: u64 = 1 << 40;

/// One write operation. Two operations of one transaction never touch the same execution.
#[expect(clippy::large_enum_variant, reason = "it is moved a few times at most")]
pub enum Op {
    Create(Record, Vec<Event>),
    Update(Step),
    Replace(Replacement),
}

/// Another payload for an execution that is of this revision.
pub struct Replacement {
    pub id: String,
    pub revision: u64,
    pub payload: String,
}

impl Replacement {
    /// What it does to a header; as of `Step`.
    pub fn apply(&self, header: &mut Header, now: i64) {
        assert_eq!(header.revision, self.revision);
        header.revision += 1;
        header.modified_at = now.max(header.modified_at);
    }
}

/// Moves an execution that is in this state and of this revision to the next state.
pub struct Step {
    pub id: String,
    pub expect: State,
    pub revision: u64,
    pub to: State,
    pub message: &'static str,
    pub events: Vec<Event>,
}

impl Step {
    /// What an update does to a header; every subject but execstore uses it.
    pub fn apply(&self, header: &mut Header, now: i64) {
        assert_eq!((header.state, header.revision), (self.expect, self.revision));
        header.state = self.to;
        header.message = Some(self.message.into());
        header.revision += 1;
        header.event_count += self.events.len() as u64;
        header.modified_at = now.max(header.modified_at);
        if self.to.is_terminal() {
            header.completed_at = Some(header.modified_at);
        }
    }
}

/// Which UUIDs the ids are: time-ordered or random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    V7,
    V4,
}

impl Ids {
    pub fn execution(self, n: u64) -> String {
        self.uuid(n, n)
    }

    /// The job of execution `n`, which it shares with three others.
    pub fn job(self, n: u64) -> String {
        self.uuid(n / 4 * 4, JOBS + n / 4)
    }

    fn uuid(self, time: u64, seed: u64) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&mix(seed).to_be_bytes());
        bytes[8..].copy_from_slice(&mix(!seed).to_be_bytes());
        let builder = match self {
            Ids::V4 => Builder::from_random_bytes(bytes),
            Ids::V7 => {
                let [random @ .., _, _, _, _, _, _] = bytes;
                Builder::from_unix_timestamp_millis(EPOCH_MS + time, &random)
            }
        };
        builder.into_uuid().to_string()
    }
}

/// SplitMix64: the same numbers in every run.
pub fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// About 1,000 bytes as JSON, of which the payload is about 700. The times are the subject's to set.
pub fn record(ids: Ids, n: u64, state: State, events: u64) -> Record {
    Record {
        header: Header {
            id: ids.execution(n).into(),
            job_id: ids.job(n).into(),
            namespace: "default".into(),
            name: Some(format!("transcode-{n}").into()),
            node_id: Some(format!("n-{:016x}", mix(n % 16)).into()),
            desired: Desired::Running,
            state,
            message: Some("created by the scheduler".into()),
            revision: 1,
            event_count: events,
            created_at: 0,
            modified_at: 0,
            completed_at: None,
            parent: None,
            previous: (n % 4 == 3).then(|| ids.execution(n - 1).into()),
            labels: BTreeMap::new(),
        },
        payload: specification(n),
    }
}

fn specification(n: u64) -> String {
    let (a, b) = (mix(n ^ 1), mix(n ^ 2));
    format!(
        concat!(
            r#"{{"type":"batch","priority":{},"tasks":[{{"name":"main","engine":{{"type":"docker","image":"#,
            r#""registry.example.org/media/transcode@sha256:{:016x}{:016x}","entrypoint":["/bin/transcode"],"#,
            r#""args":["--input","/inputs/source-{:08}.mkv","--preset","medium","--bitrate","{}k"]}},"#,
            r#""env":{{"TRACE":"{:016x}","REGION":"eu-west-{}","RETRIES":"3"}},"#,
            r#""inputs":[{{"source":"s3://media-in/{:016x}/source.mkv","target":"/inputs"}}],"#,
            r#""publisher":{{"type":"s3","bucket":"media-out","key":"results/{:08}/{{executionID}}"}},"#,
            r#""resources":{{"cpu":"500m","memory":"512Mi","disk":"2Gi","gpu":"0"}},"#,
            r#""network":{{"type":"none"}},"timeouts":{{"queue":600,"execution":1800}}}}],"#,
            r#""constraints":[{{"key":"arch","operator":"=","value":"amd64"}}],"result":null}}"#,
        ),
        n % 100,
        a,
        b,
        n,
        1_000 + n % 4_000,
        mix(n ^ 3),
        n % 4,
        mix(n / 4),
        n,
    )
}

/// The payload of execution `n` after so many replacements.
pub fn payload(n: u64, replaced: u64) -> String {
    specification(n + 1_000_003 * replaced)
}

/// The next payload, the first of which is replacement 1 of revision 1.
pub fn replacement(ids: Ids, n: u64, at: u64) -> Op {
    Op::Replace(Replacement { id: ids.execution(n), revision: at, payload: payload(n, at) })
}

/// About 200 bytes as JSON.
pub fn event(n: u64, seq: u64) -> Event {
    const MESSAGES: [&str; 5] = [
        "execution created for the job",
        "bid accepted by the requester",
        "running in a new container",
        "publishing the result",
        "completed with exit code 0",
    ];
    Event {
        seq,
        topic: "Execution".into(),
        message: MESSAGES[(seq as usize - 1) % 5].into(),
        time: (EPOCH_MS + n) as i64 * 1_000_000 + seq as i64,
        details: format!(
            r#"{{"evaluation":"{:016x}","attempt":{},"node":"n-{:016x}"}}"#,
            mix(n + seq),
            seq,
            mix(n % 16)
        ),
    }
}

/// Operation 0 to 4 of a lifecycle: create, then a step on each of the four others.
pub fn lifecycle(ids: Ids, n: u64, at: u64) -> Op {
    use State::{BidAccepted, Completed, New, Publishing, Running};
    const STATES: [State; 5] = [New, BidAccepted, Running, Publishing, Completed];
    const MESSAGES: [&str; 5] = ["", "bid accepted", "container started", "uploading", "exit code 0"];
    if at == 0 {
        return Op::Create(record(ids, n, New, 1), vec![event(n, 1)]);
    }
    Op::Update(Step {
        id: ids.execution(n),
        expect: STATES[at as usize - 1],
        revision: at,
        to: STATES[at as usize],
        message: MESSAGES[at as usize],
        events: vec![event(n, at + 1)],
    })
}

/// The state of execution `n` of the prepared store: of each 100, 95 are completed and 1 is live.
pub fn prepared_state(n: u64) -> State {
    match n % 100 {
        37 => State::LIVE[(n / 100 % 3) as usize],
        11 => State::New,
        29 | 71 => State::Failed,
        53 => State::Cancelled,
        _ => State::Completed,
    }
}

/// Execution `n` of the prepared store, with its five events, and the move to its last state.
pub fn prepared(ids: Ids, n: u64) -> (Op, Option<Op>) {
    let last = prepared_state(n);
    let first = if last.is_terminal() { State::Running } else { last };
    let events = (1..=5).map(|seq| event(n, seq)).collect();
    let step = last.is_terminal().then(|| {
        Op::Update(Step {
            id: ids.execution(n),
            expect: first,
            revision: 1,
            to: last,
            message: "ended",
            events: Vec::new(),
        })
    });
    (Op::Create(record(ids, n, first, 5), events), step)
}
