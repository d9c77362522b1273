//! When each component's content was read, beside the time in which services were held still.

use maud::{Markup, html};
use stillpoint_core::{BackupRecord, Timestamp};

use super::text::{self, Span};

const WIDTH: u64 = 960;
const NAMES: u64 = 150;
const ROW: u64 = 26;

/// A chart of the windows; the same figures stand in the table of components.
pub(crate) fn render(backup: &BackupRecord) -> Markup {
    let captured: Vec<_> = backup
        .components
        .iter()
        .filter_map(|record| {
            record.captured.map(|window| (record.component.id.as_str(), window.from, window.to))
        })
        .collect();
    let held = backup.quiesced.map(|window| (window.from, window.to));
    let spans = captured.iter().map(|(_, from, to)| (*from, *to)).chain(held);
    let Some((from, to)) = spans.reduce(|all, span| (all.0.min(span.0), all.1.max(span.1))) else {
        return html! {};
    };
    if captured.is_empty() {
        return html! {};
    }
    let scale = Scale { from, span_ms: to.since(from).as_millis().max(1) };
    let rows = captured.len() as u64 + u64::from(held.is_some());
    html! {
        section {
            h2 id="windows" { "Capture windows" }
            figure.chart {
                div.scroll role="region" aria-labelledby="windows" tabindex="0" {
                    svg.windows viewBox={ "0 0 " (WIDTH) " " (rows * ROW + 26) } role="img" aria-labelledby="windows-said" {
                        title id="windows-said" { (said(&captured, held)) }
                        @if let Some((from, to)) = held {
                            (bar(&scale, 0, "services still", from, to, "held"))
                            (shade(&scale, from, to, rows))
                        }
                        @for (index, (id, from, to)) in captured.iter().enumerate() {
                            (bar(&scale, index as u64 + u64::from(held.is_some()), id, *from, *to, "window"))
                        }
                        text.tick x=(NAMES) y=(rows * ROW + 18) { (text::second(from)) }
                        text.tick.end x=(WIDTH - 4) y=(rows * ROW + 18) { (text::second(to)) }
                    }
                }
                figcaption { (said(&captured, held)) }
            }
        }
    }
}

/// Where a time lies on the chart.
struct Scale {
    from: Timestamp,
    span_ms: u128,
}

impl Scale {
    fn at(&self, time: Timestamp) -> u64 {
        let room = u128::from(WIDTH - NAMES - 8);
        NAMES + u64::try_from(time.since(self.from).as_millis() * room / self.span_ms).unwrap_or(WIDTH)
    }
}

fn bar(scale: &Scale, row: u64, name: &str, from: Timestamp, to: Timestamp, class: &str) -> Markup {
    let (left, right) = (scale.at(from), scale.at(to));
    let short: String = name.chars().take(20).collect();
    html! {
        text.name x=(NAMES - 10) y=(row * ROW + 17) { (short) @if short != name { "…" } }
        rect class=(class) x=(left) y=(row * ROW + 6) width=((right - left).max(3)) height="14" rx="3" {
            title { (name) ": " (text::second(from)) ", for " (Span(to.since(from))) }
        }
    }
}

/// The time in which services were held still, across all rows.
fn shade(scale: &Scale, from: Timestamp, to: Timestamp, rows: u64) -> Markup {
    let (left, right) = (scale.at(from), scale.at(to));
    html! { rect.shade x=(left) y="0" width=((right - left).max(1)) height=(rows * ROW) {} }
}

fn said(captured: &[(&str, Timestamp, Timestamp)], held: Option<(Timestamp, Timestamp)>) -> String {
    let parts = text::count(captured.len(), "component was captured", "components were captured");
    match held {
        Some((from, to)) => {
            let inside = captured.iter().filter(|(_, begin, end)| *begin >= from && *end <= to).count();
            let still = Span(to.since(from));
            format!("{parts}, {inside} of them while services were held still for {still}.")
        }
        None => format!("{parts}; services were not held still."),
    }
}
