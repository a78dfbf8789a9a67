//! `cargo xtask ci`: everything a change must pass, cheapest first, stopping at the first failure.
//!
//! Invariant: nothing is skipped in silence. Only `--without` skips a service or the oracle, and the last line counts it.

use std::process::Stdio;

use crate::{
    binaries::{Compiled, compile},
    clock::Stopwatch,
    deny::{self, Advisories},
    flags,
    ids::Ids,
    layers, lint, oracle,
    process::{Failure, Result, cargo, output, program, run},
    services::{self, Service, Variable},
    shard::Shard,
    tally::Tally,
    test::Test,
    tidy,
    tools::HACK,
};

pub(crate) struct Ci {
    pub(crate) without: Vec<Service>,
    /// Whether pm4py is asked.
    pub(crate) oracle: bool,
}

/// What the stages found so far.
struct Report {
    tests: Tally,
    advisories: Advisories,
}

impl Ci {
    pub(crate) fn run(&self) -> Result<()> {
        let watch = Stopwatch::start();
        let mut report = Report {
            tests: Tally::default(),
            advisories: Advisories::Unreachable,
        };
        let services = stage("services", || services::up(&self.without, false))?;
        let result = self.stages(&services.env, &mut report);
        services::down(&services.started)?;
        if report.tests.count() > 0 {
            println!("\n{}", report.tests);
        }
        result.map_err(|error| Failure(format!("{error}\nci failed in {watch}")))?;
        let skipped = self.without.len() + usize::from(!self.oracle);
        let advisories = match report.advisories {
            Advisories::Checked => "",
            Advisories::Unreachable => {
                ", advisories not checked (their database could not be fetched)"
            }
        };
        println!("ci passed in {watch}, {skipped} services and oracles skipped{advisories}");
        Ok(())
    }

    fn stages(&self, env: &[Variable], report: &mut Report) -> Result<()> {
        stage("fmt", lint::fmt)?;
        stage("layers", layers::run)?;
        stage("tidy", tidy::run)?;
        stage("ids", || Ids { list: false }.run())?;
        stage("clippy", lint::clippy)?;
        report.advisories = stage("deny", deny::check)?;
        let tests = Test {
            module: None,
            fast: false,
            threads: flags::threads(),
            shard: Shard::default(),
            coverage: false,
            without: self.without.clone(),
            env: Some(env.to_vec()),
        };
        let compiled = stage("build", || compile(tests.fast))?;
        stage("tests", || {
            count(&mut report.tests, tests.tally(&compiled)?)
        })?;
        stage("layers alone", || layers_alone(&mut report.tests))?;
        stage("features", || features(&mut report.tests))?;
        stage("doc tests", || {
            libtest("test --quiet --workspace --doc", &mut report.tests)
        })?;
        stage("docs", docs)?;
        stage("conformance", || conformance(&compiled))?;
        if self.oracle {
            stage("oracle", || oracle::ask(&compiled))?;
        }
        Ok(())
    }
}

/// Runs one stage and says what it is and how long it took.
fn stage<T>(name: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("\n== {name}");
    let watch = Stopwatch::start();
    let result = run().map_err(|error| Failure(format!("{error}\nstage `{name}` failed")))?;
    println!("== {name}: {watch}");
    Ok(result)
}

/// The lowest layer runs its tests with nothing but itself; the others must at least be clean alone.
fn layers_alone(total: &mut Tally) -> Result<()> {
    libtest(
        "test --quiet --package llmteam-security --no-default-features --lib --tests",
        total,
    )?;
    let mut layers = [
        "llmteam-orchestration",
        "llmteam-workflow",
        "llmteam-canvas",
        "llmteam",
    ]
    .iter();
    layers.try_for_each(|layer| {
        let words =
            format!("clippy --quiet --package {layer} --no-default-features -- -D warnings");
        run(&mut cargo(&words))
    })
}

/// The lowest layer is adopted on its own more often than the others: it compiles with each of its features, and its
/// tests pass and its pages are whole as it comes and with those features that the workspace leaves off.
fn features(total: &mut Tally) -> Result<()> {
    let mut hack = program(HACK.path()?);
    let words = "hack check --quiet --package llmteam-security --each-feature";
    run(hack.args(words.split(' ')))?;
    for rest in ["", " --features audit-aws-lc -- audit"] {
        let words = format!("test --quiet --package llmteam-security --lib{rest}");
        libtest(&words, total)?;
    }
    for features in ["--no-default-features", "--all-features"] {
        let words = format!("doc --quiet --package llmteam-security --no-deps --lib {features}");
        run(cargo(&words).env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(())
}

/// Runs tests through cargo, for what has no binary to list, and counts them.
fn libtest(words: &str, total: &mut Tally) -> Result<()> {
    let output = output(cargo(words).stderr(Stdio::inherit()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let tally = Tally::sum_of(&said);
    println!("  {tally}");
    if output.status.success() {
        return count(total, tally);
    }
    println!("{said}");
    // A crate whose tests do not compile has reported none of them.
    let failed = tally.failed.max(1);
    count(total, Tally { failed, ..tally })
}

fn count(total: &mut Tally, tally: Tally) -> Result<()> {
    *total += tally;
    if tally.failed == 0 {
        Ok(())
    } else {
        Err(Failure(format!("{} tests failed", tally.failed)))
    }
}

/// Libraries only: the program `llmteam` and the library `llmteam` would write the same page.
fn docs() -> Result<()> {
    run(cargo("doc --quiet --workspace --no-deps --lib").env("RUSTDOCFLAGS", "-D warnings"))
}

/// With the program that the tests were built with; `cargo run` would compile it anew.
fn conformance(compiled: &Compiled) -> Result<()> {
    let path = compiled.program("conformance")?;
    run(program(path).arg("tests/conformance"))?;
    run(program(path)
        .args(["tests/conformance", "--rules"])
        .stdout(Stdio::null()))
}
