//! The round trip to Redis.
//!
//! Invariant: one request is one script call, under a key that no other tenant and endpoint can have: both
//! are written in hexadecimal. It ends within its timeouts. This file does not know what to do without an answer.

use std::{fmt::Write, time::Duration};

use redis::{AsyncConnectionConfig, Client, Script, aio::MultiplexedConnection};
use tokio::sync::Mutex;

use crate::{
    id::TenantId,
    ratelimit::{config::RateLimitConfig, error::RateLimitError},
};

/// Longest time for connecting, and for an answer. Tests count what Redis was asked: they wait until it has answered.
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 10_000 } else { 250 });

pub(super) struct Remote {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
    script: Script,
    key: String,
    /// Interval and depth of the bucket in microseconds, limits of a minute and of an hour.
    limits: [u64; 4],
}

impl Remote {
    pub(super) fn new(
        url: &str,
        tenant: &TenantId,
        endpoint: &str,
        config: &RateLimitConfig,
    ) -> Result<Self, RateLimitError> {
        // The URL may hold a password, and is not repeated.
        let client = Client::open(url)
            .map_err(|_| RateLimitError::invalid("url", &"***", "redis://host:port"))?;
        let interval = ((1e6 / config.requests_per_second).ceil() as u64).max(1);
        let depth = interval.saturating_mul(config.burst_size.into());
        // Numbers of a script are exact up to 2^53.
        let whole = |limit: f64| limit.min(1e15) as u64;
        let limits = [
            interval,
            depth,
            whole(config.requests_per_minute),
            whole(config.requests_per_hour),
        ];
        Ok(Self {
            client,
            connection: Mutex::new(None),
            script: Script::new(include_str!("acquire.lua")),
            key: format!("llmteam:rl:1:{}:{}", hex(tenant.as_str()), hex(endpoint)),
            limits,
        })
    }

    /// Microseconds to wait, 0 for admitted, -1 for never; `None` without an answer.
    pub(super) async fn ask(&self, owed: u64) -> Option<i64> {
        let mut connection = self.connected().await?;
        let mut call = self.script.key(&self.key);
        for limit in self.limits {
            call.arg(limit);
        }
        let answer = call.arg(owed).invoke_async(&mut connection).await;
        if answer.is_err() {
            *self.connection.lock().await = None;
        }
        answer.ok()
    }

    async fn connected(&self) -> Option<MultiplexedConnection> {
        let mut connection = self.connection.lock().await;
        if connection.is_none() {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(PATIENCE))
                .set_response_timeout(Some(PATIENCE));
            let made = self
                .client
                .get_multiplexed_async_connection_with_config(&config);
            *connection = made.await.ok();
        }
        connection.clone()
    }
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
