//! Hooks as processes: what they are told, how they end, who stops them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::{Cancellation, Effect, Error, ErrorKind, OpContext, Retry, WorkspaceId};
use stillpoint_testkit::eventually;

use crate::managed::hook::{Hook, HookCall, Hooks};

fn workspace() -> WorkspaceId {
    "ml-prod".parse().unwrap()
}

async fn call(dir: &Path, cx: &OpContext, hook: Hook, line: &str) -> Result<Vec<u8>, Error> {
    let hooks = Hooks::new(dir.join("hooks"));
    let call = HookCall::new(hook, line, &workspace()).for_operation(Some(&"op-1".parse().unwrap()));
    hooks.turn(cx, &workspace()).await?.run(cx, call).await
}

async fn run(line: &str) -> Result<Vec<u8>, Error> {
    let dir = tempfile::tempdir().unwrap();
    call(dir.path(), &OpContext::background(), Hook::Quiesce, line).await
}

#[tokio::test]
async fn a_hook_knows_what_it_is_called_for_and_answers_on_standard_output() {
    let line =
        "printf '%s %s %s' \"$STILLPOINT_HOOK\" \"$STILLPOINT_WORKSPACE_ID\" \"$STILLPOINT_OPERATION_ID\"";
    assert_eq!(run(line).await.unwrap(), b"quiesce ml-prod op-1");
    assert_eq!(run("cat").await.unwrap(), b"", "its standard input is empty");
}

#[tokio::test]
async fn an_exit_code_says_whether_trying_again_can_help() {
    let error =
        run("echo first >&2; printf 'the server\\033[31m refuses\\n\\n' >&2; exit 3").await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidConfig, Effect::MaybeApplied));
    assert_eq!(error.to_string(), "the hook quiesce ended with exit code 3: first / the server[31m refuses");
    let later = run("exit 75").await.unwrap_err();
    assert!(later.kind() == ErrorKind::Unavailable && matches!(later.retry(), Retry::After { .. }));
    let killed = run("kill -9 $$").await.unwrap_err();
    assert!(killed.to_string().contains("signal 9"), "{killed}");
    let dir = tempfile::tempdir().unwrap();
    let undone = call(dir.path(), &OpContext::background(), Hook::Resume, "exit 1").await.unwrap_err();
    assert_eq!(undone.kind(), ErrorKind::NeedsAttention);
}

#[tokio::test]
async fn output_without_end_is_read_and_not_kept() {
    let error = run("head -c 200000 /dev/zero").await.unwrap_err();
    assert!(error.to_string().contains("more than 65536 bytes"), "{error}");
    let error = run("head -c 9000000 /dev/zero >&2; echo the end >&2; exit 1").await.unwrap_err();
    assert!(error.to_string().ends_with("the end") && error.to_string().len() < 6000, "{error}");
    assert_eq!(run("sleep 30 & echo done").await.unwrap(), b"done\n", "what stays behind is not waited for");
}

#[tokio::test]
async fn a_hook_that_takes_too_long_is_stopped_with_all_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let (hooks, cx) = (Hooks::new(dir.path().join("hooks")), OpContext::background());
    let line = format!("echo $$ > {0}/leader; sleep 300 & echo $! > {0}/child; wait", dir.path().display());
    let id = workspace();
    let call = HookCall::new(Hook::Provision, &line, &id).within(Some(Duration::from_secs(2)));
    let error = hooks.turn(&cx, &id).await.unwrap().run(&cx, call).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    assert!(gone(&dir.path().join("leader")) && gone(&dir.path().join("child")));
}

#[tokio::test]
async fn a_hook_that_ignores_the_request_to_stop_is_killed_and_one_that_is_asked_to_ends() {
    let dir = tempfile::tempdir().unwrap();
    let line =
        format!("trap '' TERM; echo $$ > {}/leader; while :; do sleep 0.05; done", dir.path().display());
    let cx = OpContext::background().with_cancellation(Cancellation::new());
    let asked = async {
        runs(&dir.path().join("leader")).await;
        cx.cancellation().cancel();
    };
    let (ended, ()) = tokio::join!(call(dir.path(), &cx, Hook::Activate, &line), asked);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(gone(&dir.path().join("leader")));
}

#[tokio::test]
async fn what_a_killed_process_left_running_is_killed_before_the_next_hook_begins() {
    let dir = tempfile::tempdir().unwrap();
    let line = format!("echo $$ > {0}/leader; sleep 300; echo quiesced >> {0}/log", dir.path().display());
    // Forgotten instead of dropped: as if the process had died, nothing stops the hook.
    let (hooks, cx, id) = (Hooks::new(dir.path().join("hooks")), OpContext::background(), workspace());
    let turn = hooks.turn(&cx, &id).await.unwrap();
    let call = HookCall::new(Hook::Quiesce, &line, &id);
    let mut running = Box::pin(turn.run(&cx, call));
    let leader = dir.path().join("leader");
    tokio::select! {
        _ = &mut running => panic!("it sleeps"),
        () = runs(&leader) => {}
    }
    std::mem::forget(running);
    // The lock of a dead process is free; here its file goes instead.
    let lock = fs::read_dir(dir.path().join("hooks")).unwrap().map(|entry| entry.unwrap().path());
    lock.filter(|path| path.extension().is_some_and(|end| end == "lock"))
        .for_each(|path| fs::remove_file(path).unwrap());
    let log = format!("echo resumed >> {}/log", dir.path().display());
    super::hooks::call(dir.path(), &cx, Hook::Resume, &log).await.unwrap();
    assert!(gone(&dir.path().join("leader")));
    assert_eq!(fs::read_to_string(dir.path().join("log")).unwrap(), "resumed\n");
}

#[tokio::test]
async fn a_second_process_waits_for_its_turn() {
    let dir = tempfile::tempdir().unwrap();
    let (hooks, cx) = (Hooks::new(dir.path().join("hooks")), OpContext::background());
    let first = hooks.turn(&cx, &workspace()).await.unwrap();
    let other = Arc::new(Hooks::new(dir.path().join("hooks")));
    let waits = tokio::time::timeout(Duration::from_millis(250), other.turn(&cx, &workspace())).await;
    assert!(waits.is_err(), "the turn is taken");
    other.turn(&cx, &"another".parse().unwrap()).await.unwrap();
    drop(first);
    other.turn(&cx, &workspace()).await.unwrap();
}

/// Returns when a process has written its number into the file, all of it.
async fn runs(file: &Path) {
    while !fs::read_to_string(file).is_ok_and(|text| text.ends_with('\n')) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether the process whose number is in the file is gone, or will be in a moment.
fn gone(file: &Path) -> bool {
    let pid = fs::read_to_string(file).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    let alive =
        || fs::read_to_string(&stat).is_ok_and(|text| !text.rsplit_once(") ").unwrap().1.starts_with('Z'));
    eventually(Duration::from_secs(10), || !alive())
}
