//! The events of one case become activity instances: a start finds its completion.
//!
//! Invariant: every event becomes part of exactly one instance or stays aside. Events pair by `concept:instance`
//! when they have one, else first in, first out among those of one activity and resource. This file knows times
//! and numbers, and neither names nor attributes.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::super::{
    event::{Lifecycle, Outcome},
    variants::ActivityIndex,
};

/// Instead of the number of a resource, an instance or an event: there is none.
pub(crate) const NONE: u32 = u32::MAX;
/// Instead of a time: it is not known.
pub(crate) const UNKNOWN: i64 = i64::MIN;

/// An event as numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawEvent {
    pub(crate) activity: ActivityIndex,
    pub(crate) resource: u32,
    /// Microseconds since the epoch.
    pub(crate) time: i64,
    /// Where a completion says itself when the work began; else [`UNKNOWN`].
    pub(crate) start: i64,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) outcome: Option<Outcome>,
    /// 0 when not known.
    pub(crate) attempt: u32,
    /// The number of its `concept:instance`.
    pub(crate) instance: u32,
}

/// A piece of work; the events are places in the case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) start: i64,
    pub(crate) complete: i64,
    /// The event that started it, or [`NONE`].
    pub(crate) opened: u32,
    pub(crate) closed: u32,
    /// Whether the start was recorded; else it is the completion.
    pub(crate) recorded: bool,
}

impl Instance {
    /// By start and completion, then in the order of recording.
    fn order(&self) -> (i64, i64, u32) {
        (self.start, self.complete, self.opened.min(self.closed))
    }
}

/// What became of the events of a case.
#[derive(Debug, Default)]
pub(crate) struct Paired {
    /// In order.
    pub(crate) instances: Vec<Instance>,
    /// Events of no instance, in order of recording.
    pub(crate) aside: Vec<u32>,
    /// When instances waited, by the event that closed them.
    pub(crate) waits: Vec<(u32, i64, i64)>,
}

/// What ties events together.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Tie {
    Instance(ActivityIndex, u32),
    Resource(ActivityIndex, u32),
}

impl Tie {
    fn of(event: &RawEvent) -> Self {
        match event.instance {
            NONE => Self::Resource(event.activity, event.resource),
            instance => Self::Instance(event.activity, instance),
        }
    }
}

/// Work that has begun.
struct Open {
    event: u32,
    waiting_since: Option<(u32, i64)>,
    waits: Vec<(i64, i64)>,
    /// The events that said when it waited; they stay aside when it never completes.
    said: Vec<u32>,
}

/// Pairs the events of a case into `into`, which is emptied first.
pub(crate) fn pair(events: &[RawEvent], into: &mut Paired) {
    into.instances.clear();
    into.aside.clear();
    into.waits.clear();
    if events.iter().all(|it| it.lifecycle == Lifecycle::Complete) {
        into.instances
            .extend((0..).zip(events).map(|(place, event)| alone(place, event)));
    } else {
        pair_by_ties(events, into);
    }
    if !into.instances.is_sorted_by_key(Instance::order) {
        into.instances.sort_unstable_by_key(Instance::order);
    }
}

/// A completion without a start of its own.
fn alone(place: u32, event: &RawEvent) -> Instance {
    let recorded = event.start != UNKNOWN;
    Instance {
        start: if recorded { event.start } else { event.time },
        complete: event.time,
        opened: NONE,
        closed: place,
        recorded,
    }
}

fn pair_by_ties(events: &[RawEvent], into: &mut Paired) {
    let mut order: Vec<u32> = (0..).zip(events).map(|(place, _)| place).collect();
    order.sort_by_key(|it| events[*it as usize].time);
    let mut open: HashMap<Tie, VecDeque<Open>> = HashMap::new();
    for place in order {
        let event = &events[place as usize];
        match event.lifecycle {
            Lifecycle::Decision => into.aside.push(place),
            Lifecycle::Start => {
                let begun = Open {
                    event: place,
                    waiting_since: None,
                    waits: Vec::new(),
                    said: Vec::new(),
                };
                open.entry(Tie::of(event)).or_default().push_back(begun);
            }
            Lifecycle::Complete if event.start != UNKNOWN => {
                into.instances.push(alone(place, event));
            }
            Lifecycle::Complete => {
                let begun = open.get_mut(&Tie::of(event)).and_then(VecDeque::pop_front);
                into.instances.push(match begun {
                    None => alone(place, event),
                    Some(begun) => close(events, begun, place, &mut into.waits),
                });
            }
            Lifecycle::Suspend => {
                let working = |it: &&mut Open| it.waiting_since.is_none();
                let mut queue = open.get_mut(&Tie::of(event)).into_iter().flatten();
                match queue.find(working) {
                    None => into.aside.push(place),
                    Some(begun) => begun.waiting_since = Some((place, event.time)),
                }
            }
            Lifecycle::Resume => {
                let mut queue = open.get_mut(&Tie::of(event)).into_iter().flatten();
                let waiting = queue.find_map(|it| Some((it.waiting_since.take()?, it)));
                match waiting {
                    None => into.aside.push(place),
                    Some(((suspended, since), begun)) => {
                        begun.waits.push((since, event.time));
                        begun.said.extend([suspended, place]);
                    }
                }
            }
        }
    }
    for begun in open.into_values().flatten() {
        into.aside.push(begun.event);
        into.aside.extend(begun.said);
        into.aside
            .extend(begun.waiting_since.map(|(place, _)| place));
    }
    into.aside.sort_unstable();
    into.waits.sort_unstable();
}

fn close(
    events: &[RawEvent],
    begun: Open,
    closed: u32,
    waits: &mut Vec<(u32, i64, i64)>,
) -> Instance {
    let complete = events[closed as usize].time;
    waits.extend(begun.waits.into_iter().map(|(from, to)| (closed, from, to)));
    waits.extend(
        begun
            .waiting_since
            .map(|(_, since)| (closed, since, complete)),
    );
    Instance {
        start: events[begun.event as usize].time,
        complete,
        opened: begun.event,
        closed,
        recorded: true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(lifecycle: Lifecycle, activity: u16, resource: u32, time: i64) -> RawEvent {
        RawEvent {
            activity,
            resource,
            time,
            start: UNKNOWN,
            lifecycle,
            outcome: None,
            attempt: 0,
            instance: NONE,
        }
    }

    fn paired(events: &[RawEvent]) -> Paired {
        let mut into = Paired::default();
        pair(events, &mut into);
        into
    }

    fn spans(events: &[RawEvent]) -> Vec<(i64, i64)> {
        paired(events)
            .instances
            .iter()
            .map(|it| (it.start, it.complete))
            .collect()
    }

    use Lifecycle::{Complete, Decision, Resume, Start, Suspend};

    // covers: M3
    #[test]
    fn a_start_and_a_completion_are_one_instance() {
        let events = [
            event(Start, 0, 0, 1),
            event(Complete, 0, 0, 4),
            event(Complete, 1, 0, 9),
        ];
        assert_eq!(spans(&events), [(1, 4), (9, 9)]);
        // First in, first out, and a resource completes what it began.
        let events = [
            event(Start, 0, 0, 1),
            event(Start, 0, 1, 2),
            event(Start, 0, 0, 3),
            event(Complete, 0, 0, 4),
            event(Complete, 0, 1, 5),
            event(Complete, 0, 0, 6),
        ];
        assert_eq!(spans(&events), [(1, 4), (2, 5), (3, 6)]);
    }

    #[test]
    fn an_instance_name_ties_across_resources_and_nothing_else_does() {
        let named = |it: RawEvent, instance| RawEvent { instance, ..it };
        let events = [
            named(event(Start, 0, 0, 1), 7),
            named(event(Start, 0, 0, 2), 8),
            named(event(Complete, 0, 1, 3), 8),
            event(Complete, 0, 0, 4),
        ];
        let found = paired(&events);
        assert_eq!(spans(&events), [(2, 3), (4, 4)]);
        assert_eq!(found.aside, [0]);
    }

    #[test]
    fn waits_belong_to_the_instance_that_completes() {
        let events = [
            event(Start, 0, 0, 1),
            event(Suspend, 0, 0, 2),
            event(Resume, 0, 0, 5),
            event(Suspend, 0, 0, 6),
            event(Complete, 0, 0, 9),
            event(Resume, 0, 0, 10),
        ];
        let found = paired(&events);
        assert_eq!(found.waits, [(4, 2, 5), (4, 6, 9)]);
        assert_eq!(found.aside, [5]);
        assert_eq!(
            paired(&events[..3]).aside,
            [0, 1, 2],
            "what never completes stays aside with its waits"
        );
    }

    // covers: M3, M5
    #[test]
    fn order_is_by_time_and_ties_keep_the_order_of_recording() {
        let events = [
            event(Complete, 3, 0, 5),
            event(Decision, 9, 0, 5),
            event(Complete, 1, 0, 5),
            event(Complete, 2, 0, 4),
        ];
        let found = paired(&events);
        let order: Vec<u32> = found.instances.iter().map(|it| it.closed).collect();
        assert_eq!((order, found.aside), (vec![3, 0, 2], vec![1]));
    }

    fn any_event() -> impl Strategy<Value = RawEvent> {
        let lifecycle = prop::sample::select(vec![Start, Complete, Suspend, Resume, Decision]);
        let instance = prop_oneof![Just(NONE), 0..2_u32];
        (lifecycle, 0..3_u16, 0..2_u32, 0..20_i64, instance).prop_map(
            |(lifecycle, activity, resource, time, instance)| RawEvent {
                instance,
                ..event(lifecycle, activity, resource, time)
            },
        )
    }

    proptest! {
        #[test]
        fn every_start_and_completion_is_used_once(events in prop::collection::vec(any_event(), 0..40)) {
            let found = paired(&events);
            let mut used: Vec<u32> = found.aside.clone();
            for it in &found.instances {
                prop_assert!(it.start <= it.complete);
                used.push(it.closed);
                used.extend((it.opened != NONE).then_some(it.opened));
            }
            let waits = |it: &u32| matches!(events[*it as usize].lifecycle, Suspend | Resume);
            used.retain(|it| !waits(it));
            used.sort_unstable();
            let all: Vec<u32> = (0..events.len() as u32).filter(|it| !waits(it)).collect();
            prop_assert_eq!(used, all);
        }
    }
}
