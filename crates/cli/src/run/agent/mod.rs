//! `stillpoint agent`: keeps one directory backed up, and restores into it once where that is asked for.

mod background;
mod document;
mod expiry;
mod keep;
mod lease;
mod once;
mod studio;
mod work;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stillpoint_core::{Clock, Error, ErrorKind, Result, SystemClock, Timestamp};
use stillpoint_provider_s3sync::agent::{AgentPolicy, AgentState, INTERVAL_ADVISED_MIN, overdue};
use stillpoint_server::text::Span;

use crate::args::AgentArgs;
use crate::exit::{Exit, Outcome};
use crate::logging;
use crate::output::Output;
use crate::session::Session;
use crate::settings::home;

/// The directory, and what else one run of the agent is about.
#[derive(Debug)]
struct Agent<'a> {
    session: Session,
    args: &'a AgentArgs,
    home: PathBuf,
    policy: AgentPolicy,
    /// The restore that is asked for, until it is settled.
    wanted: Option<once::Wanted>,
    studio: Option<studio::Studio>,
    clock: SystemClock,
}

pub(super) async fn run(mut session: Session, args: &AgentArgs) -> Outcome {
    if args.supervise {
        return background::supervise(&session.output).await;
    }
    if args.studio && !args.foreground {
        // What would end it at once is better said to whoever starts it than in a log.
        directory(args)?;
        studio::metadata(args)?;
        studio::needs_a_key_from_elsewhere(&session.settings)?;
        return background::detach(&session, args);
    }
    if let Some(file) = &args.log_file {
        logging::into_file(file)?;
        session.settings.log_file = file.canonicalize().ok();
    }
    let ended = follow(session, args).await;
    if let Err(failure) = &ended {
        Output::new(false).note(format_args!("ALARM: the agent ends: {failure}"));
    }
    ended
}

/// Finds out what this run is about, and works until it ends.
async fn follow(mut session: Session, args: &AgentArgs) -> Outcome {
    let home = directory(args)?;
    let Some(_only_one) = only_one(&session)? else {
        session.output.note("an agent works with this data directory already; this one ends");
        return Ok(Exit::Busy);
    };
    let mut restore = args.restore.map(|time| (time, args.restore_until));
    let mut studio = None;
    if args.studio {
        studio::needs_a_key_from_elsewhere(&session.settings)?;
        background::yield_to_the_notebook(&session.output);
        let (found, tagged) = studio::Studio::find(&session.output, args).await?;
        let name = (found.identity().user.clone(), found.identity().space.clone());
        (session.settings.space, session.settings.only) = (Some(name.clone()), Some(name));
        restore = restore.or(tagged.map(|tag| (tag.time, tag.until)));
        studio = Some(found);
    }
    let name = session.workspace_of(&home);
    let policy =
        AgentPolicy::every(args.interval.unwrap_or(AgentPolicy::default().interval)).spread_by(&name);
    if let Some(least) = session.settings.config.limits.interval_min.filter(|least| policy.interval < *least)
    {
        let message =
            format!("an interval of {} is below the limit of {}", Span(policy.interval), Span(least));
        return Err(Error::new(ErrorKind::InvalidInput, message).into());
    }
    if policy.interval < INTERVAL_ADVISED_MIN {
        session.output.note("an interval below 6h can be felt by whoever works in the directory");
    }
    let from = args.restore_from.as_deref().unwrap_or(&name);
    let wanted = restore.map(|(time, until)| once::Wanted::new(time, until, from));
    let agent = Agent { session, args, home, policy, wanted, studio, clock: SystemClock::default() };
    work::run(agent).await
}

impl Agent<'_> {
    /// The workspace's id.
    fn workspace(&self) -> String {
        self.session.workspace_of(&self.home)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn is_overdue(&self, state: &AgentState) -> bool {
        overdue(&self.policy, state, self.now()).is_some()
    }

    /// Says it where no backup has been good for too long. Answers whether it did.
    fn tell_overdue(&self, state: &AgentState) -> bool {
        let without = overdue(&self.policy, state, self.now());
        if let Some(without) = without {
            self.tell(alarm(without));
        }
        without.is_some()
    }

    /// Tells something that happened, with its time: nobody may look at the log for days.
    fn tell(&self, text: impl std::fmt::Display) {
        self.session.output.note(format_args!("{} agent: {text}", self.now()));
    }
}

/// The directory that is named, or the user's own.
fn directory(args: &AgentArgs) -> Result<PathBuf> {
    let named = args.directory.as_deref().or(args.home.as_deref()).map(Path::to_path_buf);
    let named = named.or_else(home).ok_or_else(|| {
        Error::new(ErrorKind::InvalidConfig, "there is no home directory to back up; name one with --home")
    })?;
    named.canonicalize().map_err(|error| {
        let message = format!("the directory {} cannot be opened", named.display());
        Error::new(ErrorKind::NotFound, message).with_source(error)
    })
}

/// Holds the place of the one agent of this data directory until it is dropped or the process ends; `None` where
/// another one has it.
fn only_one(session: &Session) -> Result<Option<File>> {
    session.settings.data_dir.make()?;
    let path = session.settings.data_dir.agent_lock();
    let refused = |error: std::io::Error| {
        let message = format!("the agent's lock {} cannot be taken", path.display());
        Error::new(ErrorKind::PermissionDenied, message).with_source(error)
    };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(refused)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(refused(error)),
    }
}

/// That no backup has been good for so long, in the unit that fits: an interval may be minutes.
fn alarm(without: Duration) -> String {
    format!("ALARM: no backup has been good for {}", Span(without))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_tells_minutes_where_no_hour_has_passed() {
        let told = |seconds| alarm(Duration::from_secs(seconds));
        assert_eq!(told(25 * 60), "ALARM: no backup has been good for 25 min");
        assert_eq!(told(19 * 3600), "ALARM: no backup has been good for 19 h");
    }
}
