//! A workspace's backups over time: what each holds, and what each added to storage.

use std::time::Duration;

use maud::{Markup, html};
use stillpoint_core::Timestamp;

use super::part;
use super::text::{self, Bytes, Span};
use crate::document::BackupItem;

/// The most points of a chart; older ones are left to the list.
pub(crate) const POINTS_MAX: usize = 120;

const TOP: u64 = 12;
const UPPER: u64 = 120;
const GAP: u64 = 26;
const LOWER: u64 = 64;
const LEFT: u64 = 76;
const RIGHT: u64 = 14;
const HEIGHT: u64 = TOP + UPPER + GAP + LOWER + 26;

/// The chart in a wide and a narrow form, and the same figures as a table. `backups` are newest first.
pub(crate) fn render(backups: &[BackupItem], now: Timestamp) -> Markup {
    let points: Vec<_> = backups.iter().take(POINTS_MAX).rev().collect();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return html! {} };
    let said = format!(
        "{} from {} to {}; the newest holds {}",
        text::count(points.len(), "backup", "backups"),
        text::minute(first.created_at),
        text::minute(last.created_at),
        Bytes(last.size_bytes),
    );
    html! {
        section {
            h2 id="timeline" { "Timeline" }
            figure.chart {
                div.wide-only { (chart(&points, now, 960, &said)) }
                div.narrow-only { (chart(&points, now, 380, &said)) }
                figcaption { (legend(&points)) }
            }
            details {
                summary { "The same as a table" }
                (table(backups))
            }
        }
    }
}

/// Where things lie.
struct Frame {
    from: Timestamp,
    span_ms: u128,
    width: u64,
    size_max: u64,
    added_max: u64,
}

impl Frame {
    fn x(&self, time: Timestamp) -> u64 {
        let room = u128::from(self.width - LEFT - RIGHT - 12);
        LEFT + 6
            + u64::try_from(time.since(self.from).as_millis().min(self.span_ms) * room / self.span_ms)
                .unwrap_or(0)
    }

    fn size(&self, bytes: u64) -> u64 {
        TOP + UPPER - share(bytes, self.size_max, UPPER)
    }

    fn added(&self, bytes: u64) -> u64 {
        share(bytes.min(self.added_max), self.added_max, LOWER).max(2)
    }
}

fn share(part: u64, whole: u64, height: u64) -> u64 {
    u64::try_from(u128::from(part) * u128::from(height) / u128::from(whole.max(1))).unwrap_or(height)
}

/// The smallest round number of bytes that is no less.
fn round_up(bytes: u64) -> u64 {
    let unit = 1_u64 << (10 * ((63 - bytes.max(1).leading_zeros()) / 10));
    let whole = bytes.div_ceil(unit);
    let steps = [1, 2, 4, 5, 8, 10, 20, 40, 50, 80, 100, 200, 400, 500, 800, 1024];
    steps.into_iter().find(|step| *step >= whole).unwrap_or(1024).saturating_mul(unit)
}

fn chart(points: &[&BackupItem], now: Timestamp, width: u64, said: &str) -> Markup {
    let from = points.first().map_or(now, |point| point.created_at);
    let to = points.last().map_or(now, |point| point.created_at);
    let most = |of: fn(&BackupItem) -> u64| round_up(points.iter().map(|point| of(point)).max().unwrap_or(0));
    let frame = Frame {
        from,
        span_ms: to.since(from).as_millis().max(1),
        width,
        size_max: most(|point| point.size_bytes),
        // A full backup among incremental ones would leave nothing of these to see; it is cut off and says what it added.
        added_max: round_up(added_most(points)),
    };
    let base = TOP + UPPER + GAP + LOWER;
    html! {
        svg.timeline viewBox={ "0 0 " (width) " " (HEIGHT) } role="group" aria-label=(said) {
            (axis(&frame, TOP, UPPER, frame.size_max, "holds"))
            (axis(&frame, TOP + UPPER + GAP, LOWER, frame.added_max, "added"))
            @for (time, label) in ticks(&frame) {
                line.rule.tick-line x1=(time) x2=(time) y1=(TOP) y2=(base) {}
                text.tick.middle x=(time) y=(base + 18) { (label) }
            }
            path.area d=(area(&frame, points)) {}
            @for point in points {
                a href=(part::backup_path(&point.id)) aria-label=(words(point)) {
                    title { (words(point)) }
                    (added(&frame, point, base))
                    (spot(&frame, point))
                    rect.hit x=(frame.x(point.created_at).saturating_sub(7)) width="14" y=(TOP) height=(base - TOP) {}
                }
            }
        }
    }
}

/// The most that a backup added which builds on another.
fn added_most(points: &[&BackupItem]) -> u64 {
    let later = points.iter().filter(|point| point.parent_id.is_some()).map(|point| point.added_bytes).max();
    later
        .filter(|bytes| *bytes > 0)
        .or_else(|| points.iter().map(|point| point.added_bytes).max())
        .unwrap_or(0)
}

fn added(frame: &Frame, point: &BackupItem, base: u64) -> Markup {
    let (x, height) = (frame.x(point.created_at), frame.added(point.added_bytes));
    let cut = point.added_bytes > frame.added_max;
    html! {
        rect class=(if cut { "cut" } else { "added" }) x=(x.saturating_sub(4)) width="8" rx="1" y=(base - height) height=(height) {}
        @if cut { text.tick x=(x + 8) y=(base - height + 10) { "↑ " (Bytes(point.added_bytes)) } }
    }
}

/// A backup's point; its shape says its state as its colour does.
fn spot(frame: &Frame, point: &BackupItem) -> Markup {
    let mood = part::backup_mood(point.state);
    let (x, y) = (frame.x(point.created_at), frame.size(point.size_bytes));
    let place = format!("translate({} {})", x.saturating_sub(6), y.saturating_sub(6));
    html! { g class={ "point " (mood.class()) } transform=(place) { g transform="scale(1.2)" { (part::shape(mood)) } } }
}

fn axis(frame: &Frame, top: u64, height: u64, most: u64, name: &str) -> Markup {
    let right = frame.width - RIGHT;
    html! {
        @for step in 0..=2_u64 {
            @let y = top + height - height * step / 2;
            line.rule x1=(LEFT) x2=(right) y1=(y) y2=(y) {}
            @if step > 0 { text.tick.end x=(LEFT - 8) y=(y + 4) { (Bytes(most / 2 * step)) } }
        }
        text.tick.end.axis-name x=(LEFT - 8) y=(top + height + 4) { (name) }
    }
}

/// Where days or months begin, at most eight of them.
fn ticks(frame: &Frame) -> Vec<(u64, String)> {
    const DAY: u128 = 86_400_000;
    let room = u128::from((frame.width / 110).max(2));
    let days = (frame.span_ms / DAY / room).max(1);
    let steps = [1, 2, 5, 7, 14, 30, 60, 90, 180, 365];
    let every = steps.into_iter().find(|step| *step >= days).unwrap_or(days) * DAY;
    let every = i64::try_from(every).unwrap_or(i64::MAX);
    let begin = frame.from.as_millis();
    let first = begin.div_euclid(every).saturating_add(1).saturating_mul(every);
    let end = begin.saturating_add(i64::try_from(frame.span_ms).unwrap_or(0));
    let times = (0..16).map(|step| first.saturating_add(every.saturating_mul(step)));
    times
        .take_while(|time| *time <= end)
        .map(|millis| {
            let time = Timestamp::from_millis(millis);
            (frame.x(time), day(time))
        })
        .collect()
}

/// `3 Nov`.
fn day(time: Timestamp) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = text::minute(time);
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<usize>().ok());
    let month = number(5..7).and_then(|month| MONTHS.get(month.saturating_sub(1))).unwrap_or(&"");
    format!("{} {month}", number(8..10).unwrap_or(0))
}

fn area(frame: &Frame, points: &[&BackupItem]) -> String {
    let bottom = TOP + UPPER;
    let line =
        points.iter().map(|point| format!("L{} {}", frame.x(point.created_at), frame.size(point.size_bytes)));
    let line: Vec<_> = line.collect();
    let x = |point: Option<&&BackupItem>| point.map_or(LEFT, |point| frame.x(point.created_at));
    format!("M{} {bottom}{}L{} {bottom}Z", x(points.first()), line.concat(), x(points.last()))
}

fn words(backup: &BackupItem) -> String {
    format!(
        "{}, {}: {}, holds {}, added {}",
        part::backup_name(backup.name.as_deref(), &backup.id),
        text::minute(backup.created_at),
        backup.state.as_str(),
        Bytes(backup.size_bytes),
        Bytes(backup.added_bytes)
    )
}

fn legend(points: &[&BackupItem]) -> Markup {
    let mut states: Vec<_> = points.iter().map(|point| point.state).collect();
    states.sort_by_key(|state| state.as_str());
    states.dedup();
    let usual = usual_gap(points);
    html! {
        "Above, what each backup holds; below, what it added to storage. "
        @if let Some(gap) = usual { "Usually " (Span(gap)) " apart. " }
        span.legend { @for state in states { (part::backup_state(state)) " " } }
    }
}

/// The median of the time between two backups, to the minute.
fn usual_gap(points: &[&BackupItem]) -> Option<Duration> {
    let mut gaps: Vec<_> =
        points.windows(2).map(|pair| pair[1].created_at.since(pair[0].created_at)).collect();
    gaps.sort_unstable();
    let middle = gaps.get(gaps.len() / 2)?;
    Some(Duration::from_secs(middle.as_secs() / 60 * 60)).filter(|gap| !gap.is_zero())
}

fn table(backups: &[BackupItem]) -> Markup {
    html! {
        div.scroll role="region" aria-label="Backups over time" tabindex="0" {
            table.grid {
                thead { tr {
                    th scope="col" { "Created" } th scope="col" { "Backup" } th scope="col" { "Status" }
                    th.number scope="col" { "Holds" } th.number scope="col" { "Added" } th.number scope="col" { "Downtime" }
                } }
                tbody {
                    @for backup in backups.iter().take(POINTS_MAX) {
                        tr {
                            td { (text::minute(backup.created_at)) }
                            th scope="row" { a href=(part::backup_path(&backup.id)) { (part::foreign(part::backup_name(backup.name.as_deref(), &backup.id))) } (part::on_host(backup.host.as_deref())) }
                            td { (part::backup_state(backup.state)) }
                            td.number { (Bytes(backup.size_bytes)) }
                            td.number { (Bytes(backup.added_bytes)) }
                            td.number { (text::downtime(Duration::from_millis(backup.downtime_ms))) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_on_round_numbers() {
        assert_eq!(round_up(0), 1);
        assert_eq!(Bytes(round_up(3 << 30)).to_string(), "4.0 GiB");
        assert_eq!(Bytes(round_up((900 << 30) + 1)).to_string(), "1.0 TiB");
        assert_eq!(Bytes(round_up(u64::MAX)).to_string(), "15.9 EiB");
    }

    #[test]
    fn days_are_said_shortly() {
        assert_eq!(day("2026-11-03T00:00:00Z".parse().unwrap()), "3 Nov");
    }
}
