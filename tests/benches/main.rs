//! `cargo xtask bench [NAME]`: every figure beside a floor measured in the same run.
//!
//! A bare time says little on a shared machine; the ratio to the least that the same work can cost
//! says how much of the machine is left to the user. Medians of repeated runs after a warm-up.

mod audit;
mod audit_postgres;
mod durable;
mod executor;
mod graph;
mod limiter;
mod measure;
mod mining;
mod seal;
mod tenancy;

use self::measure::Report;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut report = Report::new(wanted);
    graph::measure(&mut report);
    durable::measure(&mut report);
    executor::measure(&mut report);
    seal::measure(&mut report);
    limiter::measure(&mut report);
    tenancy::measure(&mut report);
    audit::measure(&mut report);
    audit_postgres::measure(&mut report);
    mining::measure(&mut report);
    report.print();
}
