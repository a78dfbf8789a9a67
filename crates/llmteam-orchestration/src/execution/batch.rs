//! One batch: which agent starts, which waits, which tries again, and what became of each.
//!
//! Invariant: agents are asked for one by one, as slots and places come free; every one that was asked for has
//! exactly one result when the batch is over. All of them run within the one future of the batch: dropping it
//! drops them, and gives back every slot and place. This file does not know threads, nor who waits for the batch.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    iter::{Enumerate, Fuse},
    mem,
    ops::Deref,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use tokio::task::coop;

use super::{
    attempt::{Terms, attempt, name_of, stopped_before},
    config::{ExecutionMode, WhenFull},
    host::Host,
    result::{TaskError, TaskErrorKind, TaskId, TaskResult},
    slots::Slot,
    turn::{Attempted, Running, Task, Waiting},
    window::Window,
};
use crate::roles::{Agent, Fields};

/// How many agents start before the batch looks whether it is to stop.
const AT_A_TIME: usize = 16;

/// One batch.
pub(super) struct Batch<'a, I: Iterator> {
    host: &'a Host,
    terms: Terms<'a>,
    id: Arc<str>,
    agents: Enumerate<Fuse<I>>,
    /// Whether `agents` may hold more.
    more: bool,
    /// Whether the next agent finds the queue full.
    held_back: bool,
    /// Whether the queue was under pressure when it was last looked at.
    pressed: bool,
    waiting: VecDeque<Waiting<'a, I::Item>>,
    running: FuturesUnordered<Running<'a, I::Item>>,
    window: Window,
    /// Whether it runs one agent after another, whatever the limits.
    one_by_one: bool,
    /// When the batch has had its time, on the steady clock.
    deadline: Duration,
    results: Vec<TaskResult>,
}

/// What a batch does once it has started what may start.
enum Next {
    /// Everything has its result.
    Finish,
    /// Its time is over.
    Late,
    /// It looks around, and goes on starting.
    Continue,
    /// It waits, for a slot too if it could use one.
    Wait { for_slot: bool },
}

/// What a batch has waited for.
enum Event<'a, A> {
    Stop(TaskErrorKind),
    Ended(Attempted<'a, A>),
    Slot(Slot<'a>),
    Continue,
}

impl<'a, I> Batch<'a, I>
where
    I: Iterator<Item: Deref<Target: Agent> + Send + 'a>,
{
    pub(super) fn new(
        host: &'a Host,
        agents: I,
        input: &'a Fields,
        mode: ExecutionMode,
        id: Arc<str>,
    ) -> Self {
        let config = &host.config;
        let expected = agents.size_hint().1.unwrap_or(usize::MAX);
        let window = match mode {
            ExecutionMode::Sequential => Window::fixed(1),
            ExecutionMode::Parallel => Window::fixed(host.most()),
            ExecutionMode::Adaptive => Window::adaptive(expected, host.most()),
        };
        let known = agents.size_hint().0.min(4096);
        Self {
            host,
            terms: Terms {
                clock: &*host.clock,
                input,
                limit: config.task_timeout,
            },
            id,
            agents: agents.fuse().enumerate(),
            more: true,
            held_back: false,
            pressed: false,
            waiting: VecDeque::new(),
            running: FuturesUnordered::new(),
            window,
            one_by_one: mode == ExecutionMode::Sequential,
            deadline: host.clock.monotonic().saturating_add(config.total_timeout),
            results: Vec::with_capacity(known),
        }
    }

    /// Runs everything until it has its result, `cancel` is ready or the time is over.
    pub(super) async fn run(mut self, cancel: impl Future<Output = ()>) -> Vec<TaskResult> {
        let (host, deadline) = (self.host, self.deadline);
        host.tally.window(self.window.size());
        let mut stop = pin!(stopped_before(&*host.clock, deadline, cancel));
        let mut slot_wanted: Option<BoxFuture<'a, Slot<'a>>> = None;
        let mut slot = None;
        loop {
            let next = self.start_what_may(slot.take());
            match next {
                Next::Finish => break,
                Next::Late => return self.stop(TaskErrorKind::TotalTimeout).await,
                Next::Wait { for_slot: true } => {
                    slot_wanted.get_or_insert_with(|| host.slots.take().boxed());
                }
                Next::Wait { for_slot: false } | Next::Continue => slot_wanted = None,
            }
            let goes_on = matches!(next, Next::Continue);
            let event = poll_fn(|cx| {
                if let Poll::Ready(cancelled) = stop.as_mut().poll(cx) {
                    let kinds = [TaskErrorKind::TotalTimeout, TaskErrorKind::Cancelled];
                    return Poll::Ready(Event::Stop(kinds[usize::from(cancelled)]));
                }
                if let Poll::Ready(Some(over)) = self.running.poll_next_unpin(cx) {
                    return Poll::Ready(Event::Ended(over));
                }
                if let Some(wanted) = &mut slot_wanted
                    && let Poll::Ready(slot) = wanted.poll_unpin(cx)
                {
                    return Poll::Ready(Event::Slot(slot));
                }
                if goes_on {
                    return Poll::Ready(Event::Continue);
                }
                Poll::Pending
            });
            match event.await {
                Event::Stop(kind) => return self.stop(kind).await,
                Event::Ended(over) => self.attempted(over),
                Event::Slot(taken) => (slot, slot_wanted) = (Some(taken), None),
                Event::Continue => {}
            }
            coop::consume_budget().await;
        }
        self.in_order()
    }

    /// Starts agents while the window and the slots allow it, and lets others wait while there are places.
    fn start_what_may(&mut self, mut slot: Option<Slot<'a>>) -> Next {
        self.keep_to_licence();
        for _ in 0..AT_A_TIME {
            if self.waiting.is_empty() && !self.more {
                let finished = self.running.is_empty();
                return if finished {
                    Next::Finish
                } else {
                    Next::Wait { for_slot: false }
                };
            }
            if self.running.len() >= self.window.size() {
                return self.let_wait(false);
            }
            let Some(slot) = slot.take().or_else(|| self.host.slots.try_take()) else {
                return self.let_wait(true);
            };
            let now = self.terms.clock.monotonic();
            if now >= self.deadline {
                return Next::Late;
            }
            let first = self.waiting.pop_front().map(|it| (it.task, it.agent));
            if let Some((task, agent)) = first.or_else(|| self.next_agent()) {
                self.start(task, agent, slot, now);
            }
        }
        Next::Continue
    }

    /// Licences expire while agents run; the limits follow at once.
    fn keep_to_licence(&mut self) {
        if self.host.license.is_none() {
            return;
        }
        let most = self.host.most();
        self.host.slots.resize(most);
        if !self.one_by_one {
            self.change_window(|window| window.limit(most));
        }
    }

    /// Lets agents wait in the queue while it has places. What becomes of the rest is the configuration's.
    fn let_wait(&mut self, for_slot: bool) -> Next {
        while self.more {
            let Some(place) = self.host.slots.place() else {
                break;
            };
            let Some((task, agent)) = self.next_agent() else {
                break;
            };
            self.waiting.push_back(Waiting {
                task,
                agent,
                _place: place,
            });
        }
        let pressed = self.host.is_backpressure();
        if pressed && !self.pressed {
            self.change_window(Window::pressed);
        }
        self.pressed = pressed;
        match self.host.config.when_full {
            WhenFull::Wait => self.held_back = self.more,
            WhenFull::Refuse => {
                for _ in 0..AT_A_TIME {
                    let Some((task, _)) = self.next_agent() else {
                        break;
                    };
                    self.host.tally.held_back();
                    self.record(task, Err(TaskErrorKind::QueueFull.into()), Duration::ZERO);
                }
                if self.more {
                    return Next::Continue;
                }
            }
        }
        Next::Wait { for_slot }
    }

    /// The next agent of the input, which from here on must get a result.
    fn next_agent(&mut self) -> Option<(Task, I::Item)> {
        let Some((place, agent)) = self.agents.next() else {
            self.more = false;
            return None;
        };
        if mem::take(&mut self.held_back) {
            self.host.tally.held_back();
        }
        let task = Task {
            place,
            name: name_of(&*agent),
            began: None,
            retries: 0,
            falls: 0,
        };
        Some((task, agent))
    }

    /// Starts the first attempt of an agent and polls it: what ends at once is never put among what runs.
    fn start(&mut self, mut task: Task, agent: I::Item, slot: Slot<'a>, now: Duration) {
        task.began = Some(now);
        let mut running = self.run_task(task, agent, slot, now, Duration::ZERO);
        // Nobody need be woken: what is pending is polled again among what runs.
        match running.poll_unpin(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(over) => self.attempted(over),
            Poll::Pending => self.running.push(running),
        }
    }

    fn run_task(
        &self,
        mut task: Task,
        agent: I::Item,
        slot: Slot<'a>,
        now: Duration,
        pause: Duration,
    ) -> Running<'a, I::Item> {
        task.falls = self.window.falls();
        Running {
            held: Some((task, slot)),
            attempt: Box::pin(attempt(agent, self.terms, now, pause)),
        }
    }

    /// Takes note of an attempt: it gives the result, or another one follows.
    fn attempted(&mut self, over: Attempted<'a, I::Item>) {
        let Attempted {
            mut task,
            slot,
            agent,
            ended,
        } = over;
        let late = ended.at > self.deadline;
        let outcome = match ended.outcome {
            Ok(_) | Err(_) if late => Err(TaskErrorKind::TotalTimeout.into()),
            outcome => outcome,
        };
        match &outcome {
            Ok(_) => self.change_window(Window::succeeded),
            Err(error) => {
                if error.kind() == TaskErrorKind::Timeout {
                    let falls = task.falls;
                    self.change_window(|window| window.timed_out(falls));
                }
                let config = &self.host.config;
                if error.kind().is_retryable() && task.retries < config.max_retries {
                    tracing::debug!(task = %self.name(&task), agent = task.name, %error, "an agent tries again");
                    task.retries += 1;
                    let again = self.run_task(task, agent, slot, ended.at, config.retry_delay);
                    self.running.push(again);
                    return;
                }
            }
        }
        drop(slot);
        self.record(task, outcome, ended.at);
    }

    fn record(&mut self, task: Task, outcome: Result<Fields, TaskError>, at: Duration) {
        let result = TaskResult {
            task_id: self.name(&task),
            agent_name: task.name,
            outcome,
            duration: task
                .began
                .map_or(Duration::ZERO, |began| at.saturating_sub(began)),
            retries: task.retries,
        };
        self.host.tally.ended(&result);
        self.results.push(result);
    }

    fn name(&self, task: &Task) -> TaskId {
        TaskId::new(&self.id, task.place)
    }

    fn change_window(&mut self, change: impl FnOnce(&mut Window)) {
        let before = self.window.size();
        change(&mut self.window);
        if self.window.size() != before {
            self.host.tally.window(self.window.size());
        }
    }

    /// Ends what runs, what waits and what was never asked for, each with an error of this kind.
    async fn stop(mut self, kind: TaskErrorKind) -> Vec<TaskResult> {
        let now = self.terms.clock.monotonic();
        for running in mem::take(&mut self.running) {
            let task = running.held.map(|(task, _slot)| task);
            // What is over has its result already.
            if let Some(task) = task {
                self.record(task, Err(kind.into()), now);
            }
        }
        for waiting in mem::take(&mut self.waiting) {
            self.record(waiting.task, Err(kind.into()), now);
        }
        while let Some((task, _)) = self.next_agent() {
            self.record(task, Err(kind.into()), now);
            coop::consume_budget().await;
        }
        self.in_order()
    }

    fn in_order(self) -> Vec<TaskResult> {
        let mut results = self.results;
        results.sort_unstable_by_key(|it| it.task_id.place());
        results
    }
}
