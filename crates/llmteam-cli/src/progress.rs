//! What a run is doing, told to whoever watches: one line per step, with durations, tokens and cost.
//!
//! Fed by the run's events alone. On a terminal running steps spin; elsewhere there are plain lines.

use std::collections::{BTreeMap, HashMap};
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use llmteam::events::{EventStream, EventType, SubscriptionError, WorktrailEvent};
use llmteam::id::{RunId, TenantId};
use llmteam::llm::Usage;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::config::Price;
use crate::output;

/// Watches a run until it is told to stop.
pub(crate) struct Progress {
    stream: EventStream,
    tenant: TenantId,
    run: RunId,
    task: JoinHandle<()>,
}

impl Progress {
    /// Begins to watch; with `as_data` every event also goes to standard output.
    pub(crate) fn start(
        stream: &EventStream,
        tenant: &TenantId,
        run: &RunId,
        prices: BTreeMap<String, Price>,
        as_data: bool,
    ) -> Self {
        let (tenant, run) = (tenant.clone(), run.clone());
        let mut events = stream.subscribe(&tenant, &run, None);
        let stream = stream.clone();
        let (watched, of) = (stream.clone(), (tenant.clone(), run.clone()));
        let task = tokio::spawn(async move {
            let mut view = View::new(prices);
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => {
                        if as_data && let Ok(line) = event.to_json() {
                            // Nobody reads any more: the run goes on all the same.
                            let _ = output::line(&line);
                        }
                        view.show(&event);
                    }
                    Err(SubscriptionError::Lagged { after }) => {
                        events = watched.subscribe(&of.0, &of.1, Some(after));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the run can no longer be watched");
                        break;
                    }
                }
            }
            view.finish();
        });
        Self {
            stream,
            tenant,
            run,
            task,
        }
    }

    /// Shows what has happened so far and ends.
    pub(crate) async fn finish(self) {
        self.stream.unsubscribe_all(&self.tenant, &self.run);
        let _ = self.task.await;
    }
}

struct View {
    bars: Option<MultiProgress>,
    running: HashMap<String, ProgressBar>,
    prices: BTreeMap<String, Price>,
    usage: Usage,
    cost: Option<f64>,
    by_step: HashMap<String, u64>,
}

impl View {
    fn new(prices: BTreeMap<String, Price>) -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self {
            bars,
            running: HashMap::new(),
            prices,
            usage: Usage::default(),
            cost: None,
            by_step: HashMap::new(),
        }
    }

    fn show(&mut self, event: &WorktrailEvent) {
        let step = event.step_id.as_ref().map_or("", |it| it.as_str());
        match event.event_type {
            EventType::StepStarted => self.spin(step),
            EventType::CallCompleted => self.count(step, event),
            EventType::StepCompleted => {
                let took = span(event.duration_ms.unwrap_or(0));
                let tokens = self
                    .by_step
                    .remove(step)
                    .map(|it| format!(", {it} tokens"))
                    .unwrap_or_default();
                self.end(step, &format!("done   {step} ({took}{tokens})"));
            }
            EventType::StepFailed => {
                let why = event
                    .error
                    .as_ref()
                    .map_or("", |it| it.error_message.as_str());
                self.end(step, &format!("failed {step}: {why}"));
            }
            EventType::StepRetrying => {
                let why = event
                    .error
                    .as_ref()
                    .map_or("", |it| it.error_message.as_str());
                self.say(&format!("again  {step}: {why}"));
            }
            EventType::StepSkipped => {
                let why = event
                    .payload
                    .get("reason")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                self.end(step, &format!("skip   {step} ({why})"));
            }
            EventType::HumanTaskCreated => self.end(step, &format!("asked  {step}")),
            EventType::HumanTaskCompleted => {
                let by = event
                    .payload
                    .get("completed_by")
                    .and_then(Value::as_str)
                    .unwrap_or("nobody");
                self.say(&format!("answer {step} by {by}"));
            }
            _ => {}
        }
    }

    fn spin(&mut self, step: &str) {
        let Some(bars) = &self.bars else { return };
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = bars.add(
            ProgressBar::new_spinner()
                .with_style(style)
                .with_message(step.to_owned()),
        );
        bar.enable_steady_tick(Duration::from_millis(100));
        self.running.insert(step.to_owned(), bar);
    }

    fn count(&mut self, step: &str, event: &WorktrailEvent) {
        let usage = event.payload.get("usage").cloned().unwrap_or_default();
        let usage: Usage = serde_json::from_value(usage).unwrap_or_default();
        *self.by_step.entry(step.to_owned()).or_default() += usage.total();
        self.usage += usage;
        let name = event
            .payload
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if let Some(price) = self.prices.get(name) {
            *self.cost.get_or_insert(0.0) += cost(usage, *price);
        }
    }

    fn end(&mut self, step: &str, line: &str) {
        if let Some(bar) = self.running.remove(step) {
            bar.finish_and_clear();
        }
        self.say(line);
    }

    fn say(&self, line: &str) {
        match &self.bars {
            Some(bars) => drop(bars.println(line)),
            None => eprintln!("{line}"),
        }
    }

    fn finish(&mut self) {
        for (_, bar) in self.running.drain() {
            bar.finish_and_clear();
        }
        let (read, written) = (self.usage.input, self.usage.output);
        let cost = self
            .cost
            .map(|it| format!(", cost {it:.6}"))
            .unwrap_or_default();
        if self.usage.total() > 0 {
            self.say(&format!("tokens {read} read, {written} written{cost}"));
        }
    }
}

fn cost(usage: Usage, price: Price) -> f64 {
    let of = |tokens: u64, price: f64| tokens as f64 * price / 1_000_000.0;
    of(usage.input, price.input) + of(usage.output, price.output)
}

/// A duration as a person reads it.
pub(crate) fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        assert_eq!(
            [span(7), span(1_250), span(59_999), span(61_000)],
            ["7 ms", "1.2 s", "59.9 s", "1 min 1 s"]
        );
    }

    #[test]
    fn a_price_is_per_million_tokens() {
        let usage = Usage {
            input: 1_000_000,
            output: 500_000,
            cached: 0,
        };
        assert!(
            (cost(
                usage,
                Price {
                    input: 2.0,
                    output: 8.0
                }
            ) - 6.0)
                .abs()
                < 1e-9
        );
    }
}
