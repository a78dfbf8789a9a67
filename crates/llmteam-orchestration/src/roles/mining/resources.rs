//! Who handed work to whom, and who worked on the same cases.
//!
//! Invariant: work that nobody is known to have done is skipped as if it were not there.

use super::{
    error::MiningError,
    log::{EventLog, NONE},
    pairs::Pairs,
};

/// The share of each ordered pair of resources in all handovers, a resource to itself included. In a case whose work
/// was done by `r_1 … r_n`, each pair `i < j` weighs `beta` to the power of `j - i - 1`: 0 counts direct handovers only.
///
/// # Errors
///
/// [`MiningError::InvalidBeta`] unless `beta` lies between 0 and 1.
pub fn discover_handover_of_work_network(
    log: &EventLog,
    beta: f64,
) -> Result<Pairs<f64>, MiningError> {
    if !(0.0..=1.0).contains(&beta) {
        return Err(MiningError::InvalidBeta {
            beta: beta.to_string(),
        });
    }
    let mut weights: std::collections::BTreeMap<(usize, usize), f64> =
        std::collections::BTreeMap::new();
    // The weight that a next instance gives to a handover from each resource of the case so far.
    let mut from: Vec<(usize, f64)> = Vec::new();
    for rows in log.cases() {
        from.clear();
        for to in resources_of(log, rows) {
            for (resource, weight) in &mut from {
                if *weight > 0.0 {
                    *weights.entry((*resource, to)).or_default() += *weight;
                }
                *weight *= beta;
            }
            match from.iter_mut().find(|it| it.0 == to) {
                Some((_, weight)) => *weight += 1.0,
                None => from.push((to, 1.0)),
            }
        }
    }
    let total: f64 = weights.values().sum();
    Ok(Pairs::new(
        log.resources(),
        weights
            .into_iter()
            .map(|(pair, weight)| (pair, weight / total)),
    ))
}

/// The share of cases on which two different resources both worked; each pair in both orders.
pub fn discover_working_together_network(log: &EventLog) -> Pairs<f64> {
    let mut counts: std::collections::BTreeMap<(usize, usize), u64> =
        std::collections::BTreeMap::new();
    for rows in log.cases() {
        let mut present: Vec<usize> = resources_of(log, rows).collect();
        present.sort_unstable();
        present.dedup();
        for (place, one) in present.iter().enumerate() {
            for other in &present[place + 1..] {
                *counts.entry((*one, *other)).or_default() += 1;
            }
        }
    }
    let cases = log.case_count() as f64;
    let both = counts.into_iter().flat_map(|((one, other), count)| {
        let share = count as f64 / cases;
        [((one, other), share), ((other, one), share)]
    });
    Pairs::new(log.resources(), both)
}

fn resources_of(log: &EventLog, rows: std::ops::Range<usize>) -> impl Iterator<Item = usize> {
    log.resource_column()[rows]
        .iter()
        .filter(|it| **it != NONE)
        .map(|it| *it as usize)
}

#[cfg(test)]
mod tests {
    use super::{super::fixtures, *};

    #[track_caller]
    fn check(found: &Pairs<f64>, expected: &[(&str, &str, f64)]) {
        assert_eq!(found.len(), expected.len());
        for (from, to, share) in expected {
            let found = found.get(from, to).copied().unwrap();
            assert!(
                (found - share).abs() < 1e-9,
                "{from} {to}: {found}, not {share}"
            );
        }
    }

    #[test]
    fn handovers_of_l_are_those_of_the_oracle() {
        let log = fixtures::l();
        let direct = [
            ("r1", "r2", 3.0 / 14.0),
            ("r1", "r3", 1.0 / 14.0),
            ("r2", "r3", 2.0 / 14.0),
            ("r2", "r2", 2.0 / 14.0),
            ("r2", "r1", 3.0 / 14.0),
            ("r3", "r1", 2.0 / 14.0),
            ("r3", "r2", 1.0 / 14.0),
        ];
        check(
            &discover_handover_of_work_network(&log, 0.0).unwrap(),
            &direct,
        );
        let half = [
            ("r1", "r2", 0.20512820512820512),
            ("r1", "r3", 0.10256410256410256),
            ("r1", "r1", 0.05128205128205128),
            ("r2", "r3", 0.10256410256410256),
            ("r2", "r1", 0.2564102564102564),
            ("r2", "r2", 0.10256410256410256),
            ("r3", "r1", 0.1282051282051282),
            ("r3", "r2", 0.05128205128205128),
        ];
        let found = discover_handover_of_work_network(&log, 0.5).unwrap();
        check(&found, &half);
        for beta in [-0.1, 1.5, f64::NAN] {
            assert!(
                discover_handover_of_work_network(&log, beta).is_err(),
                "{beta}"
            );
        }
    }

    #[test]
    fn working_together_is_symmetric() {
        let found = discover_working_together_network(&fixtures::l());
        for (one, other, share) in [("r1", "r2", 1.0), ("r1", "r3", 0.6), ("r2", "r3", 0.6)] {
            assert_eq!(found.get(one, other), Some(&share));
            assert_eq!(found.get(other, one), Some(&share));
        }
        assert_eq!(found.len(), 6);
    }
}
