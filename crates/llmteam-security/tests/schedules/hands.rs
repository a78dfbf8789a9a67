//! A clock that a test sets by hand; whoever sleeps moves it.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use llmteam_security::clock::{Clock, Timestamp, Wake};

/// Microseconds since 1970.
#[derive(Debug, Default)]
pub struct Hands(AtomicI64);

impl Hands {
    pub fn advance(&self, span: Duration) {
        self.0.fetch_add(span.as_micros() as i64, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    async fn sleep_until(&self, at: Timestamp, _: Wake) {
        shuttle::future::yield_now().await;
        self.0.fetch_max(at.as_micros(), Ordering::SeqCst);
    }
}
