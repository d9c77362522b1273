//! The process that stops a server when nobody uses it any more.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Waits until nobody holds the lock `users`, and for three seconds that nobody takes it; then nobody can take it until
/// the server has ended and its data is gone. `$2` says whether the whole place goes.
const SCRIPT: &str = r#"
exec 9<>"$1/users"
while :; do
    flock --exclusive 9; flock --unlock 9
    sleep 3
    flock --exclusive --nonblock 9 && break
done
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
    kill -QUIT "$pid" 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2>/dev/null || break; sleep 0.5; done
    kill -KILL "$pid" 2>/dev/null
fi
rm -rf "$1/data" "$1/port" "$1/log" "$1/password"
if [ "$2" = own ]; then rm -rf "$1"; fi
"#;

pub(super) fn start(place: &Path, own: bool) -> io::Result<()> {
    let mut watchdog = Command::new("sh");
    watchdog.args(["-c", SCRIPT, "watchdog"]).arg(place).arg(if own { "own" } else { "shared" });
    // Outside of the test's process group, so that what ends the test does not end it.
    watchdog.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut child = watchdog.current_dir("/").spawn()?;
    std::thread::spawn(move || child.wait());
    Ok(())
}
