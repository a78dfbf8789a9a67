//! The only source of time.
//!
//! Invariant: time is UTC in whole microseconds, and everything that reads it or waits for it does so
//! through a [`Clock`]; this file alone may call the system's clock and tokio's timers.
//! This module does not know who waits, nor for what.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tokio::sync::oneshot;

/// An instant: microseconds since 1970-01-01T00:00:00Z, within the years 0000 to 9999.
///
/// Written as RFC 3339 with six decimals and `Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text that is no instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an RFC 3339 time")]
pub struct InvalidTimestamp(String);

impl Timestamp {
    /// 0000-01-01T00:00:00Z.
    pub const MIN: Self = Self(-62_167_219_200_000_000);
    /// 9999-12-30T22:00:00Z, the last instant every offset can still write in four digits.
    pub const MAX: Self = Self(253_402_207_200_000_000);

    /// The instant so many microseconds after the epoch; saturates at [`Self::MIN`] and [`Self::MAX`].
    pub const fn from_micros(micros: i64) -> Self {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Later by `span` (its nanoseconds are dropped); `None` beyond [`Self::MAX`].
    pub fn checked_add(self, span: Duration) -> Option<Self> {
        let micros = self.0.checked_add(i64::try_from(span.as_micros()).ok()?)?;
        (micros <= Self::MAX.0).then_some(Self(micros))
    }

    /// Earlier by `span` (its nanoseconds are dropped); `None` before [`Self::MIN`].
    pub fn checked_sub(self, span: Duration) -> Option<Self> {
        let micros = self.0.checked_sub(i64::try_from(span.as_micros()).ok()?)?;
        (micros >= Self::MIN.0).then_some(Self(micros))
    }

    /// Later by `span`, at most [`Self::MAX`].
    pub fn saturating_add(self, span: Duration) -> Self {
        self.checked_add(span).unwrap_or(Self::MAX)
    }

    /// The time from `earlier` until this instant; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// Reads RFC 3339; a text without a zone is UTC. Digits after the microseconds are dropped.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        let instant = text.parse::<jiff::Timestamp>().or_else(|_| {
            text.parse::<jiff::civil::DateTime>()?
                .to_zoned(jiff::tz::TimeZone::UTC)
                .map(|it| it.timestamp())
        });
        match instant {
            Ok(instant) if instant.as_microsecond() >= Self::MIN.0 => {
                Ok(Self(instant.as_microsecond()))
            }
            _ => Err(InvalidTimestamp(
                text.chars()
                    .take(64)
                    .flat_map(char::escape_default)
                    .collect(),
            )),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = jiff::Timestamp::from_microsecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{instant:.6}")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        Self::parse(text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// Who waits. At one instant all [`Wake::Work`] is woken, and comes to rest, before any [`Wake::Timer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wake {
    /// What a handler waits for.
    Work,
    /// What a scheduler waits for: a retry delay, a time-out, a deadline.
    Timer,
}

/// Reads the time and waits for it.
#[async_trait]
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Time since a fixed but arbitrary moment: for measuring spans. It never goes back, and setting the
    /// machine's time does not move it.
    fn monotonic(&self) -> Duration {
        self.now().since(Timestamp::MIN)
    }

    /// Returns when `now()` has reached `at`; at once when it already has. Safe to cancel.
    async fn sleep_until(&self, at: Timestamp, kind: Wake);
}

/// Waits for `work` until `at`; `None` when the time comes first. Work that is ready wins.
pub async fn until<T>(
    clock: &dyn Clock,
    at: Timestamp,
    kind: Wake,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = clock.sleep_until(at, kind) => None,
    }
}

/// The time of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// A set or suspended machine clock is noticed after this long at the latest.
const RECHECK: Duration = Duration::from_secs(60);

#[async_trait]
impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's steady clock"
    )]
    fn monotonic(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that waits on tokio's timer"
    )]
    async fn sleep_until(&self, at: Timestamp, _kind: Wake) {
        loop {
            let left = at.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(RECHECK)).await;
        }
    }
}

/// A clock that stands still until it is advanced. Clones share one time.
///
/// For tests on a current-thread tokio runtime with paused time, where [`ManualClock::settle`] returns
/// when every other task is idle; elsewhere it waits one real millisecond.
#[derive(Clone, Debug)]
pub struct ManualClock {
    shared: Arc<Mutex<Manual>>,
}

#[derive(Debug)]
struct Manual {
    now: Timestamp,
    /// While advancing, even a sleeper that is already due waits for its turn: work before timers.
    advancing: bool,
    sleepers: BTreeMap<(Timestamp, Wake, u64), oneshot::Sender<()>>,
    next_sleeper: u64,
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        let manual = Manual {
            now: start,
            advancing: false,
            sleepers: BTreeMap::new(),
            next_sleeper: 0,
        };
        Self {
            shared: Arc::new(Mutex::new(manual)),
        }
    }

    /// All instants somebody waits for, in the order in which they will be woken.
    pub fn wakes(&self) -> Vec<(Timestamp, Wake)> {
        let mut manual = self.lock();
        manual.sleepers.retain(|_, sleeper| !sleeper.is_closed());
        manual
            .sleepers
            .keys()
            .map(|(at, kind, _)| (*at, *kind))
            .collect()
    }

    /// The first instant somebody waits for.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.wakes().first().map(|(at, _)| *at)
    }

    /// Moves the time to `to`, stopping at each instant somebody waits for: there it wakes all work and
    /// lets it come to rest, again and again until no work is due, and only then the timers.
    /// A time in the past only lets what is due happen.
    pub async fn advance_to(&self, to: Timestamp) {
        self.lock().advancing = true;
        let _guard = Advancing(self);
        self.settle().await;
        loop {
            let Some((at, kind)) = self.wakes().first().copied().filter(|(at, _)| *at <= to) else {
                let mut manual = self.lock();
                manual.now = manual.now.max(to);
                return;
            };
            self.wake(at, kind);
            self.settle().await;
        }
    }

    /// Moves the time by `span`; see [`Self::advance_to`].
    pub async fn advance(&self, span: Duration) {
        let to = self.now().saturating_add(span);
        self.advance_to(to).await;
    }

    /// Returns when every other task of a runtime with paused time waits for something.
    #[expect(
        clippy::disallowed_methods,
        reason = "paused tokio time passes only when all tasks are idle"
    )]
    pub async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    /// Sets the time to `at` and wakes what waits for it with this kind.
    fn wake(&self, at: Timestamp, kind: Wake) {
        let mut manual = self.lock();
        manual.now = manual.now.max(at);
        while let Some(entry) = manual.sleepers.first_entry() {
            let (due, its, _) = *entry.key();
            if (due, its) != (at, kind) {
                break;
            }
            // A sleeper that was dropped meanwhile needs no waking.
            let _ = entry.remove().send(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Manual> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the advance of a clock, also when its future is dropped half-way.
struct Advancing<'a>(&'a ManualClock);

impl Drop for Advancing<'_> {
    fn drop(&mut self) {
        let mut manual = self.0.lock();
        manual.advancing = false;
        // Who asked for a time that has come, while the clock was still advancing, is not left behind.
        let later = manual.now.saturating_add(Duration::from_micros(1));
        let rest = manual.sleepers.split_off(&(later, Wake::Work, 0));
        for sleeper in std::mem::replace(&mut manual.sleepers, rest).into_values() {
            let _ = sleeper.send(());
        }
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    async fn sleep_until(&self, at: Timestamp, kind: Wake) {
        let woken = {
            let mut manual = self.lock();
            if at <= manual.now && !manual.advancing {
                return;
            }
            let (sleeper, woken) = oneshot::channel();
            let key = (at.max(manual.now), kind, manual.next_sleeper);
            manual.next_sleeper += 1;
            manual.sleepers.insert(key, sleeper);
            woken
        };
        // The sender is dropped unsent only together with the clock, which this sleeper holds.
        let _ = woken.await;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn text_has_six_decimals_and_z() {
        assert_eq!(at(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(at(-1).to_string(), "1969-12-31T23:59:59.999999Z");
        assert_eq!(Timestamp::MIN.to_string(), "0000-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T22:00:00.000000Z");
        assert_eq!(at(i64::MAX), Timestamp::MAX);
        assert_eq!(at(i64::MIN), Timestamp::MIN);
    }

    #[test]
    fn a_missing_zone_is_utc_and_offsets_are_honoured() {
        let noon = Timestamp::parse("2024-02-29T12:00:00Z").unwrap();
        assert_eq!(Timestamp::parse("2024-02-29T12:00:00"), Ok(noon));
        assert_eq!(
            Timestamp::parse("2024-02-29T14:00:00.0000009+02:00"),
            Ok(noon)
        );
        for bad in [
            "",
            "2024-02-30T12:00:00Z",
            "noon",
            "1700000000",
            "2024-02-29T25:00:00Z",
            "-000001-01-01T00:00:00Z",
        ] {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        assert_eq!(Timestamp::MAX.checked_add(Duration::from_micros(1)), None);
        assert_eq!(Timestamp::MIN.checked_sub(Duration::from_micros(1)), None);
        assert_eq!(at(0).checked_add(Duration::MAX), None);
        assert_eq!(at(0).saturating_add(Duration::MAX), Timestamp::MAX);
        assert_eq!(at(5).since(at(9)), Duration::ZERO);
        assert_eq!(at(9).since(at(5)), Duration::from_micros(4));
    }

    proptest! {
        #[test]
        fn text_and_json_keep_every_microsecond(micros in Timestamp::MIN.0..=Timestamp::MAX.0) {
            let time = at(micros);
            prop_assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
            let json = serde_json::to_string(&time).unwrap();
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
        }

        #[test]
        fn text_sorts_as_time_does(a in Timestamp::MIN.0..=Timestamp::MAX.0, b in Timestamp::MIN.0..=Timestamp::MAX.0) {
            prop_assert_eq!(at(a).cmp(&at(b)), at(a).to_string().cmp(&at(b).to_string()));
        }
    }

    /// Tasks that note their name and the time when they wake.
    #[derive(Clone)]
    struct Diary {
        clock: ManualClock,
        lines: Arc<Mutex<Vec<String>>>,
    }

    impl Diary {
        fn new() -> Self {
            Self {
                clock: ManualClock::new(at(0)),
                lines: Arc::default(),
            }
        }

        fn note(&self, name: &str) {
            self.lines
                .lock()
                .unwrap()
                .push(format!("{name}@{}", self.clock.now().as_micros()));
        }

        fn spawn(&self, name: &'static str, until: i64, kind: Wake) {
            let diary = self.clone();
            tokio::spawn(async move {
                diary.clock.sleep_until(at(until), kind).await;
                diary.note(name);
            });
        }

        fn lines(&self) -> Vec<String> {
            self.lines.lock().unwrap().clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_instant_is_visited_in_order_work_first() {
        let diary = Diary::new();
        diary.spawn("timer", 20, Wake::Timer);
        diary.spawn("late", 31, Wake::Work);
        diary.spawn("work", 20, Wake::Work);
        diary.spawn("early", 10, Wake::Timer);
        diary.clock.advance_to(at(30)).await;
        assert_eq!(diary.lines(), ["early@10", "work@20", "timer@20"]);
        assert_eq!(diary.clock.now(), at(30));
        assert_eq!(diary.clock.wakes(), [(at(31), Wake::Work)]);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_follows_work_at_one_instant_comes_before_the_timer() {
        let diary = Diary::new();
        diary.spawn("timer", 10, Wake::Timer);
        let chain = diary.clone();
        tokio::spawn(async move {
            for name in ["first", "second", "third"] {
                chain.clock.sleep_until(at(10), Wake::Work).await;
                chain.note(name);
                // A timer for an instant that has come takes its turn after the work.
                chain.spawn("follow-up", 10, Wake::Timer);
            }
        });
        diary.clock.advance_to(at(10)).await;
        let lines = diary.lines();
        assert_eq!(lines[..3], ["first@10", "second@10", "third@10"]);
        assert_eq!(
            lines[3..],
            ["timer@10", "follow-up@10", "follow-up@10", "follow-up@10"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleep_that_is_dropped_is_forgotten() {
        let clock = ManualClock::new(at(0));
        assert_eq!(
            until(&clock, at(5), Wake::Timer, async { 7 }).await,
            Some(7)
        );
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(at(50), Wake::Timer).await }
        });
        clock.settle().await;
        assert_eq!(clock.next_wake(), Some(at(50)));
        sleeper.abort();
        clock.settle().await;
        assert_eq!(clock.next_wake(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_past_is_already_there_and_never_comes_back() {
        let clock = ManualClock::new(at(100));
        clock.sleep_until(at(100), Wake::Timer).await;
        clock.sleep_until(at(7), Wake::Work).await;
        clock.advance_to(at(50)).await;
        assert_eq!(clock.now(), at(100));
    }

    #[tokio::test(start_paused = true)]
    async fn until_gives_up_when_the_time_comes_first() {
        let clock = ManualClock::new(at(0));
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { until(&clock, at(5), Wake::Timer, std::future::pending::<()>()).await }
        });
        clock.advance(Duration::from_micros(5)).await;
        assert_eq!(waiting.await.unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn spans_are_measured_from_one_moment() {
        let clock = ManualClock::new(at(7));
        let start = clock.monotonic();
        clock.advance(Duration::from_micros(5)).await;
        assert_eq!(clock.monotonic() - start, Duration::from_micros(5));
        assert!(SystemClock.monotonic() <= SystemClock.monotonic());
    }

    #[tokio::test]
    async fn the_system_clock_waits_in_real_time() {
        let clock = SystemClock;
        let goal = clock.now().saturating_add(Duration::from_millis(20));
        clock.sleep_until(goal, Wake::Work).await;
        assert!(clock.now() >= goal);
        assert!(clock.now() > Timestamp::parse("2025-01-01T00:00:00Z").unwrap());
    }
}
