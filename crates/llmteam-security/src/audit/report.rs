//! What happened in a period, counted.
//!
//! Invariant: every record of the period is counted, however many there are; lists are capped and say so.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    error::AuditError,
    query::AuditQuery,
    record::{AuditId, AuditRecord, generate_audit_id},
    trail::AuditTrail,
};
use crate::{clock::Timestamp, id::TenantId};

/// The longest list of a report.
pub const LISTED: usize = 100;

/// Whether the records of a period hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainVerdict {
    /// They do, and follow what came before.
    Valid,
    /// They do not.
    Invalid,
    /// There was nothing to check.
    NotVerified,
}

/// A report over a period.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditReport {
    /// Its id.
    pub report_id: AuditId,
    /// When it was made.
    pub generated_at: Timestamp,
    /// Always `system`.
    pub generated_by: &'static str,
    /// First instant of the period.
    pub period_start: Timestamp,
    /// Last instant of the period.
    pub period_end: Timestamp,
    /// Whose records.
    pub tenant_id: TenantId,
    /// How many.
    pub total_events: u64,
    /// By wire string.
    pub events_by_type: BTreeMap<&'static str, u64>,
    /// By wire string.
    pub events_by_severity: BTreeMap<&'static str, u64>,
    /// By actor id; those without are left out.
    pub events_by_actor: BTreeMap<String, u64>,
    /// By day, `YYYY-MM-DD`, UTC.
    pub events_by_day: BTreeMap<String, u64>,
    /// How many security incidents there were: refusals and failures of security.
    pub total_incidents: u64,
    /// The first of them.
    pub security_incidents: Vec<AuditRecord>,
    /// How many operations failed.
    pub total_failed: u64,
    /// The first of them.
    pub failed_operations: Vec<AuditRecord>,
    /// All records, when asked for, up to [`super::query::MAX_LIMIT`].
    pub records: Vec<AuditRecord>,
    /// Whether `records` lacks some.
    pub truncated: bool,
    /// Whether the records hold together.
    pub chain_valid: ChainVerdict,
    /// Numbers that are missing, at most 100.
    pub missing_sequence_numbers: Vec<u64>,
}

impl AuditTrail {
    /// Counts what happened from `start` to `end`, both included.
    pub async fn generate_report(
        &self,
        start: Timestamp,
        end: Timestamp,
        include_records: bool,
    ) -> Result<AuditReport, AuditError> {
        self.flush().await?;
        let query = AuditQuery {
            start_time: Some(start),
            end_time: Some(end),
            ..AuditQuery::default()
        };
        let mut report = self.empty_report(start, end)?;
        let mut span: Option<(u64, u64)> = None;
        let mut walk = self.walk(&query).await?.upwards();
        while let Some(records) = walk.next(self).await? {
            for record in records {
                let number = record.sequence_number();
                let (low, high) = span.unwrap_or((number, number));
                span = Some((low.min(number), high.max(number)));
                report.count(record, include_records);
            }
        }
        if let Some((low, high)) = span {
            let chain = self.verify_chain(low, Some(high)).await?;
            report.chain_valid = if chain.valid {
                ChainVerdict::Valid
            } else {
                ChainVerdict::Invalid
            };
            report.missing_sequence_numbers = chain.missing;
        }
        Ok(report)
    }

    fn empty_report(&self, start: Timestamp, end: Timestamp) -> Result<AuditReport, AuditError> {
        Ok(AuditReport {
            report_id: generate_audit_id()?,
            generated_at: self.clock.now(),
            generated_by: "system",
            period_start: start,
            period_end: end,
            tenant_id: self.tenant.clone(),
            total_events: 0,
            events_by_type: BTreeMap::new(),
            events_by_severity: BTreeMap::new(),
            events_by_actor: BTreeMap::new(),
            events_by_day: BTreeMap::new(),
            total_incidents: 0,
            security_incidents: Vec::new(),
            total_failed: 0,
            failed_operations: Vec::new(),
            records: Vec::new(),
            truncated: false,
            chain_valid: ChainVerdict::NotVerified,
            missing_sequence_numbers: Vec::new(),
        })
    }
}

impl AuditReport {
    fn count(&mut self, record: AuditRecord, keep: bool) {
        self.total_events += 1;
        *self
            .events_by_type
            .entry(record.event_type().as_str())
            .or_default() += 1;
        *self
            .events_by_severity
            .entry(record.severity().as_str())
            .or_default() += 1;
        if !record.actor_id().is_empty() {
            *self
                .events_by_actor
                .entry(record.actor_id().to_owned())
                .or_default() += 1;
        }
        let day = record.timestamp().to_string();
        let day = day.split('T').next().unwrap_or_default().to_owned();
        *self.events_by_day.entry(day).or_default() += 1;
        if record.event_type().is_incident(record.success()) {
            self.total_incidents += 1;
            list(&mut self.security_incidents, &record);
        }
        if !record.success() {
            self.total_failed += 1;
            list(&mut self.failed_operations, &record);
        }
        if keep {
            if self.records.len() < super::query::MAX_LIMIT as usize {
                self.records.push(record);
            } else {
                self.truncated = true;
            }
        }
    }
}

fn list(into: &mut Vec<AuditRecord>, record: &AuditRecord) {
    if into.len() < LISTED {
        into.push(record.clone());
    }
}
