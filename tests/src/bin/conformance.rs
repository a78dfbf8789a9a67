//! `conformance DIR [--rules]`: runs a directory of cases, or tells which rule has which cases.
//!
//! One line per case and a total; exit 1 when a case fails or, with `--rules`, a rule has no case.

use llmteam_tests::conformance::{CaseFile, RunnerEngine, Verdict, coverage, judge, load_dir};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let (options, operands): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|argument| argument.starts_with("--"));
    let rules = options.iter().any(|option| option == "--rules");
    let directory = match operands.as_slice() {
        [directory] if options.len() == usize::from(rules) => PathBuf::from(directory),
        _ => {
            eprintln!("usage: conformance DIR [--rules]");
            return ExitCode::from(2);
        }
    };
    let files = match load_dir(&directory) {
        Ok(files) => files,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    match rules {
        true => tell_rules(&files),
        false => run_cases(&files),
    }
}

fn run_cases(files: &[CaseFile]) -> ExitCode {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for file in files {
        for case in &file.cases {
            let name = format!("{}/{}", file.name(), case.case);
            match judge(&RunnerEngine, file, case) {
                Verdict::Passed => {
                    passed += 1;
                    println!("ok      {name}");
                }
                Verdict::Failed(differences) => {
                    failed += 1;
                    println!("FAILED  {name}");
                    differences
                        .iter()
                        .for_each(|difference| println!("    {difference}"));
                }
                Verdict::NotCovered(what) => {
                    skipped += 1;
                    println!("skipped {name}: {what}");
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    ExitCode::from(u8::from(failed > 0))
}

fn tell_rules(files: &[CaseFile]) -> ExitCode {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/spec");
    match coverage(&pages, files) {
        Ok(coverage) => {
            coverage.lines().for_each(|line| println!("{line}"));
            let missing: Vec<String> = coverage.missing().collect();
            println!(
                "{} rules, {} without a case: {}",
                coverage.rules.len(),
                missing.len(),
                missing.join(" ")
            );
            if !coverage.unknown.is_empty() {
                println!(
                    "cases name rules that no page states: {}",
                    coverage.unknown.join(", ")
                );
            }
            ExitCode::from(u8::from(
                !missing.is_empty() || !coverage.unknown.is_empty(),
            ))
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}
