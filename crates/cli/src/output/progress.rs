//! Progress on standard error: a bar on a terminal, plain lines now and then otherwise.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use indicatif::{ProgressBar, ProgressStyle};
use stillpoint_core::{EventKind, OperationEvent, OperationId, Progress, Timestamp};
use stillpoint_server::text::Bytes;

use super::Output;

/// Plain lines about progress alone come no more often than this.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows the events of operations until it is dropped or the stream ends.
pub(crate) async fn follow(output: &Output, what: &str, mut events: BoxStream<'static, OperationEvent>) {
    let mut shown = Shown::new(output, what);
    while let Some(event) = events.next().await {
        shown.show(&event);
    }
}

/// Shows progress that was read from the catalog instead of an event stream.
pub(crate) struct Shown<'a> {
    output: &'a Output,
    what: &'a str,
    bar: Option<ProgressBar>,
    operation: Option<OperationId>,
    step: String,
    last_line: Option<Timestamp>,
}

impl<'a> Shown<'a> {
    pub(crate) fn new(output: &'a Output, what: &'a str) -> Self {
        Self { output, what, bar: None, operation: None, step: String::new(), last_line: None }
    }

    fn show(&mut self, event: &OperationEvent) {
        if self.operation.as_ref() != Some(&event.operation) {
            self.operation = Some(event.operation.clone());
            self.step.clear();
        }
        match &event.kind {
            EventKind::Step { step, .. } => self.step(step),
            EventKind::Progress(component) => self.progress(&component.progress, event.at),
            EventKind::Warning { message } => self.output.note(format_args!("warning: {message}")),
            EventKind::Ended { .. } => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
            }
            _ => {}
        }
    }

    /// Shows that the operation is at `step`.
    pub(crate) fn step(&mut self, step: &str) {
        if self.step == step {
            return;
        }
        step.clone_into(&mut self.step);
        if let Some(bar) = self.bar() {
            bar.set_message(step.to_owned());
        } else if self.output.tells_steps() {
            self.output.note(format_args!("{}: {step}", self.what));
        }
    }

    /// Shows how far the operation is at the time `at`.
    pub(crate) fn progress(&mut self, progress: &Progress, at: Timestamp) {
        if let Some(bar) = self.bar() {
            if let Some(total) = progress.bytes_total.filter(|total| *total > 0) {
                bar.set_length(total.max(progress.bytes_done));
                bar.set_style(bar_style());
            }
            bar.set_position(progress.bytes_done);
            bar.set_prefix(format!("{} files", progress.files_done));
            return;
        }
        let since = *self.last_line.get_or_insert(at);
        if self.output.tells_steps() && at.since(since) >= LINE_EVERY {
            self.last_line = Some(at);
            let total = progress.bytes_total.map(|total| format!(" of {}", Bytes(total))).unwrap_or_default();
            let step = if self.step.is_empty() { String::new() } else { format!("{}, ", self.step) };
            let done = Bytes(progress.bytes_done);
            self.output
                .note(format_args!("{}: {step}{} files, {done}{total}", self.what, progress.files_done));
        }
    }

    fn bar(&mut self) -> Option<&ProgressBar> {
        let bars = self.output.bars()?;
        Some(self.bar.get_or_insert_with(|| {
            let bar = bars.add(ProgressBar::no_length().with_style(spinner_style()));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        }))
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn spinner_style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg}  {prefix}  {binary_bytes}  {binary_bytes_per_sec}")
        .unwrap_or_else(|_malformed| ProgressStyle::default_spinner())
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template(
        "{spinner} {msg}  {prefix}  {wide_bar} {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}  {eta}",
    )
    .unwrap_or_else(|_malformed| ProgressStyle::default_bar())
}
