//! Medians, ratios to the best peer, and the verdict.

use serde::Serialize;

use crate::case::{Case, Target};
use crate::corpus::Corpus;
use crate::measure::{Sample, median};

const OURS: &str = "stillpoint";

/// Medians of one tool in one case.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) corpus: &'static str,
    pub(crate) case: &'static str,
    pub(crate) tool: &'static str,
    pub(crate) wall_s: f64,
    pub(crate) client_cpu_s: f64,
    pub(crate) server_cpu_s: f64,
    pub(crate) peak_rss_mib: f64,
    pub(crate) stored_mib: f64,
    pub(crate) sent_mib: f64,
    pub(crate) requests: f64,
    pub(crate) read_mib: Option<f64>,
    keeps_snapshots: bool,
    packs: f64,
    fresh_mib: f64,
}

/// One number of ours beside what it is held against.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Verdict {
    corpus: &'static str,
    case: &'static str,
    what: &'static str,
    ours: f64,
    /// The peer, or the limit's own name.
    against: String,
    other: f64,
    /// Ours divided by the other.
    ratio: f64,
    must: f64,
    aim: f64,
    /// `aim reached`, `met` or `MISSED`.
    verdict: &'static str,
}

pub(crate) fn rows(samples: &[Sample]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for sample in samples {
        let known = |row: &Row| (row.corpus, row.case, row.tool) == (sample.corpus, sample.case, sample.tool);
        if rows.iter().any(known) {
            continue;
        }
        let same = |other: &&Sample| {
            (other.corpus, other.case, other.tool) == (sample.corpus, sample.case, sample.tool)
        };
        let of = |value: fn(&Sample) -> f64| median(samples.iter().filter(same).map(value));
        rows.push(Row {
            corpus: sample.corpus,
            case: sample.case,
            tool: sample.tool,
            wall_s: of(|sample| sample.wall_s),
            client_cpu_s: of(|sample| sample.client_cpu_s),
            server_cpu_s: of(|sample| sample.server_cpu_s),
            peak_rss_mib: of(|sample| sample.peak_rss_mib),
            stored_mib: of(|sample| sample.stored_mib),
            sent_mib: of(|sample| sample.sent_mib),
            requests: of(|sample| sample.requests as f64),
            read_mib: sample.read_mib.map(|_| of(|sample| sample.read_mib.unwrap_or(0.0))),
            keeps_snapshots: sample.keeps_snapshots,
            packs: of(|sample| sample.packs as f64),
            fresh_mib: of(|sample| sample.fresh_mib),
        });
    }
    rows
}

pub(crate) fn verdicts(corpus: Corpus, case: Case, rows: &[Row]) -> Vec<Verdict> {
    let here: Vec<&Row> =
        rows.iter().filter(|row| row.corpus == corpus.name() && row.case == case.name()).collect();
    let (Some(target), Some(ours)) =
        (Target::of(case, corpus), here.iter().find(|row| row.tool == OURS).copied())
    else {
        return Vec::new();
    };
    let peers: Vec<&Row> = here.iter().filter(|row| row.tool != OURS).copied().collect();
    let judge = |what, ours, against: String, other: f64, must: f64, aim: f64| {
        let ratio = if other > 0.0 { ours / other } else { f64::from(u8::from(ours > 0.0)) };
        let verdict = if ratio <= aim {
            "aim reached"
        } else if ratio <= must {
            "met"
        } else {
            "MISSED"
        };
        Verdict {
            corpus: corpus.name(),
            case: case.name(),
            what,
            ours,
            against,
            other,
            ratio,
            must,
            aim,
            verdict,
        }
    };
    let mut found = Vec::new();
    let mut best = |what, value: fn(&Row) -> f64, alike: bool, must: f64, aim: f64| {
        let candidates = peers.iter().filter(|peer| peer.keeps_snapshots || !alike);
        if let Some(peer) = candidates.min_by(|left, right| value(left).total_cmp(&value(right))) {
            found.push(judge(what, value(ours), peer.tool.to_owned(), value(peer), must, aim));
        }
    };
    let (must, aim) = (target.must, target.aim);
    if case != Case::Mirror {
        best("wall s, snapshots", |row| row.wall_s, true, must, aim);
        best("client CPU s, snapshots", |row| row.client_cpu_s, true, must, aim);
    }
    best("wall s, all", |row| row.wall_s, false, must, aim);
    best("client CPU s, all", |row| row.client_cpu_s, false, must, aim);
    best("both CPU s, all", |row| row.client_cpu_s + row.server_cpu_s, false, must, aim);
    if let Some(most) = target.stored {
        // A tool that overwrites the state before the change stores less because it keeps less.
        best("stored MiB", |row| row.stored_mib, true, most, most);
    }
    let mut limit = |what, ours, name: &str, most: f64| {
        found.push(judge(what, ours, name.to_owned(), most, 1.0, 1.0));
    };
    limit("peak RSS MiB", ours.peak_rss_mib, "limit", target.rss_mib);
    if let Some(most) = target.fresh {
        // Plain objects that have not changed are copied inside the store: they are stored anew and do not travel.
        let (what, spent) = match case {
            Case::Mirror => ("sent MiB of new", ours.sent_mib),
            _ => ("stored MiB of new", ours.stored_mib),
        };
        limit(what, spent, "new bytes x 1.5", ours.fresh_mib * most);
    }
    if let Some(allowed) = target.requests {
        limit("requests", ours.requests, "limit", allowed(ours.stored_mib, ours.packs).floor());
    }
    if let (true, Some(read)) = (target.reads_nothing, ours.read_mib) {
        limit("file MiB read", read, "limit", 0.0);
    }
    found
}

/// The tables in Markdown, ready for a page of documentation.
pub(crate) fn markdown(corpora: &[Corpus], rows: &[Row]) -> (String, Vec<Verdict>) {
    let mut text = String::new();
    let mut all = Vec::new();
    for corpus in corpora {
        for case in Case::ALL {
            let here = rows.iter().filter(|row| row.corpus == corpus.name() && row.case == case.name());
            let here: Vec<&Row> = here.collect();
            if here.is_empty() {
                continue;
            }
            text += &format!("\n### {}: {}\n\n", corpus.name(), case.name());
            text += "| tool | wall s | client CPU s | server CPU s | peak RSS MiB | stored MiB | sent MiB | requests |\n";
            text += "|---|---|---|---|---|---|---|---|\n";
            for row in here {
                text += &format!(
                    "| {} | {:.2} | {:.2} | {:.2} | {:.0} | {:.1} | {:.1} | {:.0} |\n",
                    row.tool,
                    row.wall_s,
                    row.client_cpu_s,
                    row.server_cpu_s,
                    row.peak_rss_mib,
                    row.stored_mib,
                    row.sent_mib,
                    row.requests
                );
            }
            let verdicts = verdicts(*corpus, case, rows);
            if !verdicts.is_empty() {
                text += "\n| of ours | value | against | its value | ratio | must | aim | verdict |\n";
                text += "|---|---|---|---|---|---|---|---|\n";
            }
            for one in &verdicts {
                text += &format!(
                    "| {} | {:.2} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {} |\n",
                    one.what, one.ours, one.against, one.other, one.ratio, one.must, one.aim, one.verdict
                );
            }
            all.extend(verdicts);
        }
    }
    (text, all)
}

/// One line for each case: ours, the best peer that keeps snapshots or, of mirrors, the best of all, and what was missed.
pub(crate) fn summary(corpora: &[Corpus], rows: &[Row], verdicts: &[Verdict]) -> String {
    let mut text = String::from(
        "| corpus, case | wall s: ours / best = ratio | client CPU s: ours / best = ratio | stored MiB: ours / best \
         | peak RSS MiB | requests | missed |\n|---|---|---|---|---|---|---|\n",
    );
    for corpus in corpora {
        for case in Case::ALL {
            let here: Vec<&Row> =
                rows.iter().filter(|row| row.corpus == corpus.name() && row.case == case.name()).collect();
            let Some(ours) = here.iter().find(|row| row.tool == OURS) else { continue };
            let peers: Vec<&&Row> = here
                .iter()
                .filter(|row| row.tool != OURS && (row.keeps_snapshots || case == Case::Mirror))
                .collect();
            let pair = |value: fn(&Row) -> f64, digits: usize| {
                let best = peers.iter().map(|peer| value(peer)).min_by(f64::total_cmp);
                let mine = value(ours);
                best.map_or_else(
                    || format!("{mine:.digits$}"),
                    |best| format!("{mine:.digits$} / {best:.digits$} = {:.2}", mine / best.max(1e-9)),
                )
            };
            let missed: Vec<&str> = verdicts
                .iter()
                .filter(|one| (one.corpus, one.case) == (ours.corpus, ours.case) && one.verdict == "MISSED")
                .map(|one| one.what)
                .collect();
            text += &format!(
                "| {}, {} | {} | {} | {} | {:.0} | {:.0} | {} |\n",
                corpus.name(),
                case.name(),
                pair(|row| row.wall_s, 2),
                pair(|row| row.client_cpu_s, 2),
                pair(|row| row.stored_mib, 1).split(" =").next().unwrap_or_default(),
                ours.peak_rss_mib,
                ours.requests,
                missed.join(", "),
            );
        }
    }
    text
}
