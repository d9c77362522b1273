//! One corpus, round by round: every tool does a case before any tool does the next.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use stillpoint_testkit::compare::Comparison;
use stillpoint_testkit::s3::{Backing, Options, Server};

use crate::case::Case;
use crate::corpus::{Corpus, files};
use crate::measure::{self, MIB, Sample};
use crate::tool::{Site, Tool, restored_tree};
use crate::{Flags, Outcome};

/// Inode, time of change and length of a file: what a renamed file keeps and a changed one does not.
type Stamp = (u64, (i64, i64), u64);

fn stamps(dir: &Path) -> Outcome<Vec<Stamp>> {
    let stamp = |(path, _): (PathBuf, u64)| {
        let found = fs::metadata(path)?;
        Ok((found.ino(), (found.mtime(), found.mtime_nsec()), found.len()))
    };
    files(dir)?.into_iter().map(stamp).collect()
}

/// One corpus under way.
pub(crate) struct Run<'a> {
    flags: &'a Flags,
    tools: &'a [Box<dyn Tool>],
    corpus: Corpus,
    dir: PathBuf,
    source: PathBuf,
    round: usize,
    fresh: u64,
    samples: Vec<Sample>,
}

impl<'a> Run<'a> {
    /// Makes the corpus and measures all cases that are asked for.
    pub(crate) fn corpus(
        flags: &'a Flags,
        tools: &'a [Box<dyn Tool>],
        corpus: Corpus,
    ) -> Outcome<Vec<Sample>> {
        let dir = flags.dir.join(format!("{corpus:?}").to_lowercase());
        drop(fs::remove_dir_all(&dir));
        let source = dir.join("corpus");
        corpus.make(&source, flags.scale, flags.seed)?;
        let found = files(&source)?;
        let bytes: u64 = found.iter().map(|(_, length)| length).sum();
        println!(
            "\n== {}: {} files, {:.0} MiB in {}",
            corpus.name(),
            found.len(),
            bytes as f64 / MIB,
            source.display()
        );
        let mut run = Self { flags, tools, corpus, dir, source, round: 0, fresh: 0, samples: Vec::new() };
        for round in 0..flags.rounds {
            run.round = round;
            run.one_round()?;
        }
        if !flags.keep {
            fs::remove_dir_all(&run.dir)?;
        }
        Ok(run.samples)
    }

    fn one_round(&mut self) -> Outcome {
        // A server for each round, so that what earlier rounds stored is gone.
        let server = Server::start_with(Options { backing: Backing::Memory, ..Options::default() })?;
        server.set_latency(std::time::Duration::from_millis(self.flags.latency_ms));
        let scratch = self.dir.join("scratch");
        let mut sites = Vec::new();
        for tool in self.tools {
            let dir = scratch.join(tool.name());
            fs::create_dir_all(&dir)?;
            let prefix = format!("{}/repo", tool.name());
            let site = Site { server: &server, dir, source: self.source.clone(), prefix };
            if self.needs_backups() {
                tool.prepare(&site)?;
            }
            sites.push(site);
        }
        for case in Case::ALL {
            // A later case needs the backups before it, but not their measurement.
            if !self.needed(case) {
                continue;
            }
            self.edit(case)?;
            for offset in 0..self.tools.len() {
                // Another tool begins in each round, so that nobody always profits from a warm cache.
                let index = (offset + self.round) % self.tools.len();
                self.measure(case, &*self.tools[index], &sites[index])?;
            }
        }
        drop(server);
        Ok(fs::remove_dir_all(scratch)?)
    }

    fn asked(&self, case: Case) -> bool {
        let possible = match case {
            Case::Renamed => self.corpus != Corpus::Models,
            Case::RestoreDisk => self.flags.disk.is_some(),
            Case::Mirror => self.corpus == Corpus::Home,
            _ => true,
        };
        possible && self.flags.cases.contains(&case)
    }

    fn needs_backups(&self) -> bool {
        Case::ALL.into_iter().any(|case| case != Case::Mirror && self.asked(case))
    }

    fn needed(&self, case: Case) -> bool {
        self.asked(case) || (case == Case::First && self.needs_backups())
    }

    fn edit(&mut self, case: Case) -> Outcome {
        let seed = self.flags.seed + 1_000 * (self.round as u64 + 1) + case as u64;
        self.fresh = match case {
            Case::Changed => self.corpus.change(&self.source, seed)?,
            Case::Renamed => {
                let moved = self.corpus.rename(&self.source, self.round)?;
                println!("  {moved} files lie below the renamed directories");
                0
            }
            Case::First => files(&self.source)?.iter().map(|(_, length)| length).sum(),
            _ => 0,
        };
        Ok(())
    }

    fn measure(&mut self, case: Case, tool: &dyn Tool, site: &Site<'_>) -> Outcome {
        match case {
            Case::Restore => self.restore(case, tool, site, &self.dir.join("restored")),
            Case::RestoreDisk => match &self.flags.disk {
                Some(disk) => self.restore(case, tool, site, &disk.join("restored")),
                None => Ok(()),
            },
            Case::Mirror => self.mirror(tool, site),
            _ => {
                let mut command = tool.backup(site);
                self.sample(case, tool, site, "", &mut command)
            }
        }
    }

    /// The first copy of a mirror is not measured: what counts is the next one, under a prefix of its own. What is really
    /// new are the files whose content has changed, since a plain object can only be sent as a whole.
    fn mirror(&mut self, tool: &dyn Tool, site: &Site<'_>) -> Outcome {
        let Some(mut before) = tool.mirror(site, 0) else { return Ok(()) };
        measure::succeed(&mut before)?;
        let known: HashSet<Stamp> = stamps(&self.source)?.into_iter().collect();
        self.corpus.change(&self.source, self.flags.seed + 77 + self.round as u64)?;
        let changed = stamps(&self.source)?.into_iter().filter(|stamp| !known.contains(stamp));
        self.fresh = changed.map(|(_, _, length)| length).sum();
        let Some(mut command) = tool.mirror(site, 1) else { return Ok(()) };
        self.sample(Case::Mirror, tool, site, "-mirror", &mut command)
    }

    fn restore(&mut self, case: Case, tool: &dyn Tool, site: &Site<'_>, target: &Path) -> Outcome {
        drop(fs::remove_dir_all(target));
        fs::create_dir_all(target)?;
        let mut command = tool.restore(site, target);
        self.sample(case, tool, site, "", &mut command)?;
        self.compare(tool, target)?;
        Ok(fs::remove_dir_all(target)?)
    }

    /// All of content and metadata in the first round, for tools that keep metadata; else the number of files and bytes.
    fn compare(&self, tool: &dyn Tool, target: &Path) -> Outcome {
        let tree = restored_tree(&self.source, target);
        let sum = |dir: &Path| -> Outcome<(usize, u64)> {
            let found = files(dir)?;
            Ok((found.len(), found.iter().map(|(_, length)| length).sum()))
        };
        let (kept, made) = (sum(&self.source)?, sum(&tree)?);
        if kept != made {
            return Err(format!("{} restored {made:?} files and bytes of {kept:?}", tool.name()).into());
        }
        if tool.faithful() && self.round == 0 {
            let found = Comparison::new().ignoring_root().run(&self.source, &tree)?;
            if !found.is_empty() {
                let lines: Vec<String> = found.iter().take(5).map(|line| format!("\n  {line}")).collect();
                let count = found.len();
                return Err(format!("{}: {count} differences:{}", tool.name(), lines.concat()).into());
            }
        }
        Ok(())
    }

    fn sample(
        &mut self,
        case: Case,
        tool: &dyn Tool,
        site: &Site<'_>,
        more: &str,
        command: &mut std::process::Command,
    ) -> Outcome {
        let prefix = format!("{}{more}", site.prefix);
        let stored =
            |site: &Site<'_>| site.server.objects(&prefix).map(|found| found.into_values().sum::<u64>());
        let before = stored(site)?;
        let title = format!("{} {} {}", self.corpus.name(), case.name(), tool.name());
        let cost = measure::run(&title, command, site.server)?;
        let requests = site.server.requests();
        let packs = site.server.objects(&format!("{}/data/", site.prefix))?.len() as u64;
        let document: Option<serde_json::Value> = serde_json::from_slice(&cost.seen.stdout).ok();
        let read = document.as_ref().and_then(|said| said.pointer("/bytes/read")?.as_f64());
        let sample = Sample {
            corpus: self.corpus.name(),
            case: case.name(),
            tool: tool.name(),
            round: self.round,
            keeps_snapshots: tool.snapshots(),
            wall_s: cost.seen.wall.as_secs_f64(),
            client_cpu_s: cost.client.as_secs_f64(),
            server_cpu_s: cost.server.as_secs_f64(),
            peak_rss_mib: cost.seen.peak_rss_bytes as f64 / MIB,
            stored_mib: stored(site)?.saturating_sub(before) as f64 / MIB,
            sent_mib: requests.bytes_in as f64 / MIB,
            received_mib: requests.bytes_out as f64 / MIB,
            requests: requests.total(),
            by_operation: requests.by_operation,
            read_mib: read.filter(|_| tool.name() == "stillpoint").map(|bytes| bytes / MIB),
            packs,
            fresh_mib: self.fresh as f64 / MIB,
        };
        println!(
            "  {} {:<12} {:<10} {:>7.2} s wall {:>7.2} + {:>5.2} s cpu {:>5.0} MiB rss {:>8.1} MiB stored {:>6} requests",
            self.round,
            sample.case,
            sample.tool,
            sample.wall_s,
            sample.client_cpu_s,
            sample.server_cpu_s,
            sample.peak_rss_mib,
            sample.stored_mib,
            sample.requests
        );
        self.samples.push(sample);
        Ok(())
    }
}
