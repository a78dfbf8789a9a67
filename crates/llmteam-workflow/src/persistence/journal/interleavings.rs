//! Owners that come and go, late appends, wrong indices, in any order and at the same moment: a journal never
//! has a gap, a double or an entry of somebody who was not the owner.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use proptest::prelude::*;

use super::{
    JournalEntry, MemoryJournal,
    contract::{Two, entry, gone, new_run, to},
};
use crate::persistence::{error::JournalError, lease::Lease, run::RunState};

#[derive(Clone, Debug)]
enum Act {
    /// A process takes the run over; the owner so far counts as dead.
    Claim(u64),
    /// The holder of some lease, old or new, appends.
    Append {
        lease: prop::sample::Index,
        /// How far beside the end it starts.
        off: i64,
        entries: u64,
        state: RunState,
    },
    Release(prop::sample::Index),
}

fn act() -> impl Strategy<Value = Act> {
    let lease = any::<prop::sample::Index>;
    let state = prop_oneof![
        20 => Just(RunState::Running),
        4 => Just(RunState::Waiting),
        1 => Just(RunState::Completed),
    ];
    let off = prop_oneof![8 => Just(0), 1 => Just(-1), 1 => Just(1)];
    let append =
        (lease(), off, 0..4u64, state).prop_map(|(lease, off, entries, state)| Act::Append {
            lease,
            off,
            entries,
            state,
        });
    prop_oneof![
        2 => (1..4u64).prop_map(Act::Claim),
        6 => append,
        1 => lease().prop_map(Act::Release),
    ]
}

/// One run in a journal, and what its owners remember.
struct Played {
    journal: Two,
    leases: Mutex<Vec<Arc<Lease>>>,
    acknowledged: Mutex<Vec<JournalEntry>>,
}

impl Played {
    async fn new(journal: Two) -> Self {
        let lease = journal
            .here
            .create(new_run("acme", "run_1"), &gone(0), vec![signed(0, 1)])
            .await
            .unwrap();
        Self {
            journal,
            leases: Mutex::new(vec![Arc::new(lease)]),
            acknowledged: Mutex::new(vec![signed(0, 1)]),
        }
    }

    /// Performs an act and says what came of it. Half of the owners sit in the other process.
    async fn act(&self, act: &Act) -> Result<u64, JournalError> {
        let side = |epoch: u64| {
            if epoch.is_multiple_of(2) {
                &self.journal.here
            } else {
                &self.journal.there
            }
        };
        let pick =
            |index: &prop::sample::Index| Arc::clone(index.get(&self.leases.lock().unwrap()));
        match act {
            Act::Claim(who) => {
                let run = new_run("acme", "run_1");
                let lease = side(*who).claim(&run.tenant, &run.run, &gone(*who)).await?;
                let epoch = lease.epoch;
                self.leases.lock().unwrap().push(Arc::new(lease));
                Ok(epoch)
            }
            Act::Append {
                lease,
                off,
                entries,
                state,
            } => {
                let lease = pick(lease);
                let journal = side(lease.epoch);
                let next = journal
                    .run(&lease.tenant, &lease.run)
                    .await?
                    .unwrap()
                    .next_index;
                let first = next.saturating_add_signed(*off);
                let batch: Vec<_> = (first..first + entries)
                    .map(|index| signed(index, lease.epoch))
                    .collect();
                journal.append(&lease, batch.clone(), to(*state)).await?;
                self.acknowledged.lock().unwrap().extend(batch);
                Ok(first)
            }
            Act::Release(lease) => {
                let lease = pick(lease);
                let lease = Lease::new(
                    lease.tenant.clone(),
                    lease.run.clone(),
                    lease.epoch,
                    lease.key,
                );
                side(lease.epoch).release(lease).await?;
                Ok(0)
            }
        }
    }

    /// Everything acknowledged is there, once, in order, and nothing else; epochs never go back.
    async fn check(&self) {
        let run = new_run("acme", "run_1");
        let stored = self
            .journal
            .here
            .read(&run.tenant, &run.run, 0)
            .await
            .unwrap();
        let mut acknowledged = self.acknowledged.lock().unwrap().clone();
        acknowledged.sort_by_key(|it| it.index);
        assert_eq!(stored, acknowledged);
        assert!(stored.iter().zip(0..).all(|(it, index)| it.index == index));
        let epochs: Vec<u64> = stored
            .iter()
            .map(|it| String::from_utf8_lossy(&it.body).parse().unwrap())
            .collect();
        assert!(epochs.is_sorted(), "{epochs:?}");
    }
}

/// An entry that says in which epoch it was written.
fn signed(index: u64, epoch: u64) -> JournalEntry {
    JournalEntry {
        body: epoch.to_string().into_bytes(),
        ..entry(index)
    }
}

pub(super) fn memory() -> Two {
    let journal = Arc::new(MemoryJournal::default());
    Two {
        here: journal.clone(),
        there: journal,
        _home: Box::new(()),
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

#[tokio::test]
async fn the_memory_journal_keeps_the_contract() {
    super::contract::check(async || memory()).await;
}

proptest! {
    #[test]
    fn memory_stays_whole(acts in prop::collection::vec(act(), 1..60)) {
        block_on(async {
            let played = Played::new(memory()).await;
            for act in &acts {
                let _ = played.act(act).await;
                played.check().await;
            }
        });
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use super::{super::sqlite::tests::two_files, *};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Both kinds of journal answer the same to the same acts.
        #[test]
        fn sqlite_answers_as_memory_does(acts in prop::collection::vec(act(), 1..40)) {
            block_on(async {
                let (one, other) = (Played::new(memory()).await, Played::new(two_files().await).await);
                for act in &acts {
                    assert_eq!(one.act(act).await, other.act(act).await, "{act:?}");
                }
                one.check().await;
                other.check().await;
            });
        }

        /// Acts of one round happen at the same moment, in two processes.
        #[test]
        fn sqlite_stays_whole(rounds in prop::collection::vec(prop::collection::vec(act(), 1..8), 1..8)) {
            block_on(async {
                let played = Played::new(two_files().await).await;
                for round in &rounds {
                    for result in join_all(round.iter().map(|act| played.act(act))).await {
                        let expected = matches!(
                            result,
                            Ok(_)
                                | Err(JournalError::Fenced { .. }
                                    | JournalError::Gap { .. }
                                    | JournalError::RunEnded { .. })
                        );
                        assert!(expected, "{result:?}");
                    }
                    played.check().await;
                }
            });
        }
    }
}
