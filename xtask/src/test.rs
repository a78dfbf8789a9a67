//! `cargo xtask test`: compiles once, gives each test to one shard, runs one binary at a time.
//!
//! Invariant: every selected test is counted exactly once; a binary that dies or hangs fails the tests that
//! it did not report. What binaries print goes to files; the terminal sees one line per binary and the failures.

use std::{
    fs::{self, File},
    mem,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    thread,
    time::Duration,
};

use crate::{
    binaries::{Binary, Compiled, compile},
    clock::Stopwatch,
    process::{Failure, Result, at, cannot_start, workspace},
    services::{self, Service, Variable},
    shard::Shard,
    tally::Tally,
    tools,
};

/// No binary has more than this to do; one that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(20 * 60);
/// Bytes of test names on one command line, well below what the smallest system takes.
const NAMES: usize = 64 * 1024;
/// Bytes shown of a failed binary's output; the file has all of it.
const SHOWN: usize = 16 * 1024;

/// What to run, and how.
pub(crate) struct Test {
    pub(crate) module: Option<String>,
    pub(crate) fast: bool,
    pub(crate) threads: NonZeroUsize,
    pub(crate) shard: Shard,
    pub(crate) coverage: bool,
    pub(crate) without: Vec<Service>,
    /// Where the services are. `None`: use those that answer.
    pub(crate) env: Option<Vec<Variable>>,
}

impl Test {
    pub(crate) fn run(&self) -> Result<()> {
        if self.coverage {
            let env = services::answering(&self.without);
            return tools::coverage(self.module.as_deref(), self.threads, env);
        }
        let tally = self.tally(&compile(self.fast)?)?;
        println!("{tally}");
        if tally.failed > 0 {
            Err(Failure("tests failed".into()))
        } else {
            Ok(())
        }
    }

    /// Runs the selected tests and counts them. Failed tests are no `Err`: they are in the count.
    pub(crate) fn tally(&self, compiled: &Compiled) -> Result<Tally> {
        let mut env = self
            .env
            .clone()
            .unwrap_or_else(|| services::answering(&self.without));
        if !self.fast {
            env.push((
                "LLMTEAM_BIN",
                compiled.program("llmteam")?.display().to_string(),
            ));
        }
        let logs = workspace()?
            .target_directory
            .join("xtask")
            .into_std_path_buf();
        fs::create_dir_all(&logs).map_err(at(&logs))?;

        let mut total = Tally::default();
        for binary in &compiled.tests {
            let all = binary.list()?;
            let (chosen, skipped): (Vec<&String>, Vec<&String>) = all
                .iter()
                .filter(|test| self.selects(&binary.id, test))
                .partition(|test| !self.without.iter().any(|service| needs(test, *service)));
            if chosen.is_empty() && skipped.is_empty() {
                continue;
            }
            let names = if chosen.len() == all.len() {
                vec![Vec::new()]
            } else {
                lines(&chosen)
            };
            let job = Job {
                binary,
                env: &env,
                threads: self.threads,
                logs: &logs,
            };
            let mut tally = job.run(&names, chosen.len())?;
            tally.skipped += skipped.len();
            total += tally;
        }
        match &self.module {
            Some(module) if total.count() == 0 => {
                Err(Failure(format!("no test has `{module}` in its path")))
            }
            _ => Ok(total),
        }
    }

    fn selects(&self, binary: &str, test: &str) -> bool {
        self.module
            .as_deref()
            .is_none_or(|module| within(test, module))
            && self.shard.holds(&format!("{binary}::{test}"))
    }
}

/// Whether `module` (`tenancy`, `canvas::machine`) is part of the path of the test.
fn within(test: &str, module: &str) -> bool {
    format!("::{test}::").contains(&format!("::{module}::"))
}

/// A test needs a service when a part of its path is called after it: `store::postgres::…`, `redis_keeps_order`.
fn needs(test: &str, service: Service) -> bool {
    test.split("::")
        .any(|part| part.split('_').next() == Some(service.name()))
}

/// Groups names so that each group fits on a command line.
fn lines<'a>(names: &[&'a String]) -> Vec<Vec<&'a str>> {
    let (mut lines, mut line, mut length) = (Vec::new(), Vec::new(), 0);
    for name in names {
        length += name.len() + 1;
        if length > NAMES {
            lines.push(mem::take(&mut line));
            length = name.len() + 1;
        }
        line.push(name.as_str());
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// One binary with the tests to run in it.
struct Job<'a> {
    binary: &'a Binary,
    env: &'a [Variable],
    threads: NonZeroUsize,
    logs: &'a Path,
}

impl Job<'_> {
    /// Runs the binary once per group of names (an empty group means all tests) and reports on one line.
    fn run(&self, groups: &[Vec<&str>], expected: usize) -> Result<Tally> {
        let watch = Stopwatch::start();
        let mut tally = Tally::default();
        let mut faults = Vec::new();
        for (number, names) in groups.iter().enumerate() {
            let log = self.log(number);
            let status = self.spawn(names, &log)?;
            let output = String::from_utf8_lossy(&fs::read(&log).map_err(at(&log))?).into_owned();
            let result = Tally::last_in(&output);
            tally += result.unwrap_or_default();
            if result.is_none_or(|result| result.failed > 0)
                || !status.is_some_and(|status| status.success())
            {
                let end = status.map_or_else(
                    || format!("ended after {LIMIT:?}"),
                    |status| status.to_string(),
                );
                faults.push(format!(
                    "{} {end}; all of it is in {}",
                    excerpt(&output),
                    log.display()
                ));
            }
        }
        if tally.count() < expected {
            tally.failed += expected - tally.count();
        }
        if !faults.is_empty() && tally.failed == 0 {
            tally.failed = 1;
        }
        println!("  {:40} {tally}, {watch}", self.binary.id);
        faults.iter().for_each(|fault| println!("{fault}"));
        Ok(tally)
    }

    fn log(&self, number: usize) -> PathBuf {
        let name = self.binary.id.replace("::", ".").replace('/', ".");
        self.logs.join(format!("{name}.{number}.log"))
    }

    /// `None`: it had to be ended. Output goes to a file, so that a child it leaves behind holds nobody up.
    fn spawn(&self, names: &[&str], log: &Path) -> Result<Option<ExitStatus>> {
        let file = File::create(log).map_err(at(log))?;
        let copy = file.try_clone().map_err(at(log))?;
        let mut command = self.binary.command();
        command
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdout(file)
            .stderr(copy);
        command.arg(format!("--test-threads={}", self.threads));
        if !names.is_empty() {
            command.arg("--exact").args(names);
        }
        wait(&mut command)
    }
}

fn wait(command: &mut Command) -> Result<Option<ExitStatus>> {
    let mut child = command
        .spawn()
        .map_err(|error| cannot_start(command, &error))?;
    let watch = Stopwatch::start();
    while watch.elapsed() < LIMIT {
        if let Some(status) = child
            .try_wait()
            .map_err(|error| cannot_start(command, &error))?
        {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(10));
    }
    child
        .kill()
        .and_then(|()| child.wait())
        .map_err(|error| cannot_start(command, &error))?;
    Ok(None)
}

/// The part of the output that says what went wrong, cut in the middle when it is long.
fn excerpt(output: &str) -> String {
    let start = output.find("\nfailures:\n").map_or(0, |at| at + 1);
    let said = &output[start..];
    if said.len() <= SHOWN {
        return said.to_owned();
    }
    let head = said.floor_char_boundary(SHOWN / 2);
    let tail = said.ceil_char_boundary(said.len() - SHOWN / 2);
    format!(
        "{}\n… {} bytes not shown …\n{}",
        &said[..head],
        tail - head,
        &said[tail..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_found_by_whole_names() {
        assert!(within("tenancy::config::tests::limits", "tenancy"));
        assert!(within("canvas::machine::join::tests::all", "machine::join"));
        assert!(!within("tenancy::config::tests::limits", "config::limits"));
        assert!(!within("multi_tenancy::tests::limits", "tenancy"));
    }

    #[test]
    fn a_service_is_needed_by_what_is_named_after_it() {
        assert!(needs(
            "journal::store::postgres::tests::contract",
            Service::Postgres
        ));
        assert!(needs("limits::redis_keeps_order", Service::Redis));
        assert!(!needs(
            "journal::store::sqlite::tests::contract",
            Service::Postgres
        ));
        assert!(!needs("tests::credist", Service::Redis));
    }

    #[test]
    fn names_are_grouped_without_losing_one() {
        let names: Vec<String> = (0..5_000)
            .map(|n| format!("a::module::tests::a_name_of_some_length_{n}"))
            .collect();
        let lines = lines(&names.iter().collect::<Vec<_>>());
        assert!(lines.len() > 1);
        assert!(
            lines
                .iter()
                .all(|line| line.iter().map(|name| name.len() + 1).sum::<usize>() <= NAMES)
        );
        assert_eq!(lines.concat(), names);
    }

    #[test]
    fn a_long_output_keeps_both_ends() {
        let output = format!("noise\nfailures:\nfirst{}last", "ä".repeat(SHOWN));
        let shown = excerpt(&output);
        assert!(shown.starts_with("failures:\nfirst") && shown.ends_with("last"));
        assert!(shown.len() < SHOWN + 100);
    }
}
