//! The cases of `tests/conformance`, against the interpreter that reads the same rules.

use llmteam_tests::conformance::{
    CaseFile, Engine, OracleEngine, Refusal, compare, load_dir, variants,
};
use std::path::Path;

fn files() -> Vec<CaseFile> {
    load_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance"))
        .expect("the cases can be read")
}

/// A wrong expectation would teach the engine a wrong rule: each case also holds for the interpreter.
#[test]
fn the_interpreter_agrees_with_every_case_it_covers() {
    let mut wrong = Vec::new();
    let mut held = 0;
    for file in files() {
        for case in &file.cases {
            for variant in variants(&file, case) {
                let differences = match OracleEngine.run(&file, &variant.case) {
                    Ok(seen) => compare(&variant.case, &seen, variant.order),
                    Err(Refusal::NotCovered(_)) => continue,
                    Err(Refusal::Broken(why)) => vec![why],
                };
                held += usize::from(differences.is_empty());
                if !differences.is_empty() {
                    let name = format!("{} {} {}", file.path.display(), case.case, variant.name);
                    wrong.push(format!("{name}\n  {}", differences.join("\n  ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(held > 100, "only {held} cases are covered");
}
