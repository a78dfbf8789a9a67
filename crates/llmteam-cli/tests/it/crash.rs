//! The program is killed at every record boundary, inside calls and in between; what was finished is not done
//! again, and journal, events and result are those of a run that nobody disturbed.

mod compare;
mod kill;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use self::kill::{Aim, Shot, Stored, shoot};
use self::server::{Activation, Server};
use crate::program::{Called, Place, example};

const RESUME: [&str; 5] = ["resume", "r1", "--config", "c.toml", "--events"];

/// How long the server takes to answer, so that a kill can fall inside a call.
const ANSWERS_AFTER: Duration = Duration::from_millis(15);
const KILLS: u32 = 50;
const KILLS_IN_CALLS: u32 = 10;
/// Kills of one run, at most.
const KILLS_OF_A_RUN: u32 = 6;
/// Aims until everything must have been hit.
const AIMS: u32 = 600;

/// What an undisturbed run leaves.
struct Calm {
    journal: Vec<Value>,
    events: Vec<Value>,
    result: Value,
    stored_result: Value,
    audited: Vec<String>,
}

/// What has been hit so far.
struct Hits {
    kills: u32,
    in_calls: u32,
    /// Step activations in whose call no child has died yet.
    calls: BTreeSet<Activation>,
    /// Record boundaries at which no child has died yet.
    boundaries: BTreeSet<usize>,
    aims: u32,
    seed: u64,
}

impl Hits {
    fn are_enough(&self) -> bool {
        let many = self.kills >= KILLS && self.in_calls >= KILLS_IN_CALLS;
        many && self.calls.is_empty() && self.boundaries.is_empty()
    }

    /// The next number of the sequence, below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % end
    }

    /// Where to aim in a run that has `entries` and whose handler at work began at boundary `began`.
    fn aim(&mut self, entries: u64, began: usize) -> Aim {
        self.aims += 1;
        assert!(
            self.aims <= AIMS,
            "never hit: {:?} {:?}",
            self.boundaries,
            self.calls
        );
        let ahead = self.boundaries.range(began + 1..).next().copied();
        let later = self.below(80);
        match (self.below(4), ahead) {
            (0, _) => {
                let answers = u64::try_from(ANSWERS_AFTER.as_millis()).unwrap();
                Aim::Call(Duration::from_millis(later % answers))
            }
            (1, _) => Aim::Entries(entries + 1, Duration::from_millis(later)),
            (_, Some(boundary)) => {
                Aim::Entries(entries + (boundary - began) as u64, Duration::ZERO)
            }
            (_, None) => Aim::Never,
        }
    }
}

fn run(segment: &str) -> [&str; 7] {
    [
        "run", segment, "--config", "c.toml", "--run-id", "r1", "--events",
    ]
}

fn configured(port: u16) -> Place {
    let place = Place::new();
    let config = format!(
        "[llm.main]\nkind = \"openai\"\nmodel = \"m\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\n\
         [http.cms]\nkind = \"http\"\nbase_url = \"http://127.0.0.1:{port}\"\ndeduplicates = true\n\
         [people]\nkind = \"scripted\"\nscript = \"people.json\"\n"
    );
    place.write("c.toml", config);
    place.write(
        "people.json",
        r#"{"answers": {"reviewer": [{"review_changes": {"tone": "bolder"}}, {"approved": true}]}}"#,
    );
    place
}

fn left(place: &Place, called: &Called) -> Calm {
    let entries = Stored::open(place).entries();
    compare::numbering(&entries, called);
    Calm {
        journal: compare::journal(&entries),
        events: compare::events(called),
        result: compare::result(called),
        stored_result: compare::stored_result(place),
        audited: compare::audited(place),
    }
}

/// Runs the segment, kills it again and again, and at last lets it end.
fn run_with_kills(place: &Place, server: &Server, calm: &Calm, hits: &mut Hits) {
    let segment = example("content_pipeline.json");
    let run = run(&segment);
    let (mut next, mut entries, mut began) = (&run[..], 0, 0);
    // How often each step activation was killed.
    let mut killed: BTreeMap<Activation, u32> = BTreeMap::new();
    let last = loop {
        let enough = killed.values().sum::<u32>() >= KILLS_OF_A_RUN || hits.are_enough();
        let aim = if enough {
            Aim::Never
        } else {
            hits.aim(entries, began)
        };
        let in_call = match shoot(place, place.command(next), server, aim) {
            Shot::Ended(called) => break Some(called.exits(0)),
            Shot::Killed { in_call } => in_call,
        };
        let stored = Stored::open(place);
        let row = stored.row().expect("the aim was at a run with entries");
        let journal = stored.entries();
        assert_eq!(row.next_index, journal.len() as u64);
        let told = compare::journal(&journal);
        let position = told.len();
        assert_eq!(told, calm.journal[..position], "after {aim:?}");
        if row.state.is_final() {
            break None;
        }
        let at_work = compare::at_work(&calm.journal, position);
        hits.kills += 1;
        hits.boundaries.remove(&position);
        if in_call {
            hits.in_calls += 1;
            hits.calls.remove(&at_work);
        }
        *killed.entry(at_work).or_default() += 1;
        (next, entries) = (&RESUME, row.next_index);
        began = compare::handler_began(&calm.journal, position);
    };
    if let Some(called) = last {
        let left = left(place, &called);
        assert_eq!(left.journal, calm.journal);
        assert_eq!(left.events, calm.events);
        assert_eq!(left.result, calm.result);
    }
    assert_eq!(compare::stored_result(place), calm.stored_result);
    // What was put aside when a child died is in the log, once.
    assert_eq!(compare::audited(place), calm.audited);
    for (activation, count) in server.counts() {
        let kills = killed.get(&activation).copied().unwrap_or_default();
        assert!(
            (1..=1 + kills).contains(&count),
            "{activation:?}: {count} calls, {kills} kills"
        );
    }
    assert_eq!(server.counts().len(), 4);
    // Nobody was asked twice.
    assert_eq!(place.call(&["tasks", "list"]).exits(0).out, "[]\n");
}

// covers: X-80, X-87
#[test]
fn a_killed_run_goes_on_where_it_was() {
    let server = Server::start(ANSWERS_AFTER);
    let place = configured(server.port);
    let segment = example("content_pipeline.json");
    let calm = left(&place, &place.call(&run(&segment)).exits(0));
    assert_eq!(calm.result["status"], "completed");
    assert!(server.counts().values().all(|count| *count == 1));

    let mut hits = Hits {
        kills: 0,
        in_calls: 0,
        calls: server.counts().into_keys().collect(),
        boundaries: (1..calm.journal.len()).collect(),
        aims: 0,
        seed: 0x2545_f491_4f6c_dd1d,
    };
    while !hits.are_enough() {
        server.forget();
        run_with_kills(&configured(server.port), &server, &calm, &mut hits);
    }
}

/// The server is slow, so that the second process surely comes while the first one is in its call.
#[test]
fn of_two_processes_that_resume_a_killed_run_exactly_one_proceeds() {
    let server = Server::start(Duration::from_secs(1));
    let place = configured(server.port);
    let segment = example("content_pipeline.json");
    let aim = Aim::Call(Duration::ZERO);
    let shot = shoot(&place, place.command(&run(&segment)), &server, aim);
    assert!(matches!(shot, Shot::Killed { in_call: true }));
    let both = thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| place.call(&RESUME)));
        both.map(|it| it.join().unwrap())
    });
    let (won, lost): (Vec<_>, Vec<_>) = both.iter().partition(|it| it.code == Some(0));
    assert_eq!((won.len(), lost.len()), (1, 1));
    assert!(lost[0].err.contains("error[RUN_ACTIVE]"), "{}", lost[0].err);
    assert_eq!(compare::result(won[0])["status"], "completed");
    for (activation, count) in server.counts() {
        let kills = u32::from(activation.0 == "validator");
        assert_eq!(count, 1 + kills, "{activation:?}");
    }
}
