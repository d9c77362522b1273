//! The story that is played against a real account, played against the fake: it must be right before it costs money.

#[path = "../../examples/live/journal.rs"]
mod journal;
#[path = "../../examples/live/story.rs"]
mod story;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::fake::{FILE_SYSTEM, REGION, VAULT, VOLUME, World, component};
use journal::Journal;
use serde_json::{Value, json};
use stillpoint_core::SystemEntropy;
use stillpoint_provider_aws::managed::{AwsProvider, VaultPlace};
use stillpoint_testkit::oracle::tools_dir;
use story::{Setting, Story};

#[tokio::test]
async fn the_story_goes_as_expected_and_leaves_nothing_behind() {
    let Some(world) = World::named("workspace") else { return };
    let before = world.region();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("journal.jsonl");
    let journal = Arc::new(Journal::create(&path).unwrap());
    let connection = world.connection().with_wire_journal(journal.clone());
    let provider = AwsProvider::new("aws".parse().unwrap(), connection, [VaultPlace::new(REGION, VAULT)]);
    let setting = Setting {
        volume: component("volume", "ebs", VOLUME),
        file_system: component("file-system", "efs", FILE_SYSTEM),
        zone: "us-east-1a".to_owned(),
        clock: world.clock(),
        patience: Duration::from_secs(24 * 3600),
        entropy: Arc::new(SystemEntropy::default()),
    };
    let mut told = Vec::new();
    let story = Story::new(&provider, setting, |step| {
        told.push(step.to_string());
        journal.write(&step.json())
    });
    let failures = story.unwrap().run().await.unwrap();
    assert_eq!(failures, 0, "{}", told.join("\n"));
    assert!(told.len() > 20, "{}", told.join("\n"));
    let after = world.region();
    for kind in ["volumes", "file_systems"] {
        assert_eq!(after[kind].as_object().unwrap().len(), before[kind].as_object().unwrap().len(), "{kind}");
    }
    let points = after["vaults"]["Default"]["points"].as_object().unwrap();
    assert!(points.is_empty(), "{points:?}");
    journal.end().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let heard: Vec<&Value> = lines.iter().map(|line| &line["wire"]).filter(|wire| !wire.is_null()).collect();
    assert_eq!(lines.len() - heard.len(), told.len());
    assert_eq!(heard.len() as u64, world.called(), "every call, be it the SDK's or our own");
    let asked = |service: &str| heard.iter().any(|wire| wire["service"] == service);
    assert!(["backup", "elasticfilesystem", "ec2", "iam", "sts", "kms"].into_iter().all(asked));
    let headers = ["Credential=", "Signature=", "authorization"];
    assert!(headers.iter().all(|secret| !text.contains(secret)), "no header is told");
    // A fake that answers like itself has nothing to learn.
    let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/fake-aws");
    let mut compare = Command::new(tools_dir().join("moto/bin/python"));
    compare.current_dir(tools).args(["-m", "fake_aws.heard"]).args([&path, &path]);
    let compared = compare.output().unwrap();
    let said = String::from_utf8_lossy(&compared.stdout);
    assert!(compared.status.success() && said.contains(" 0 differences"), "{compared:?}");
    let fields = json!({ "service": "backup", "method": "PUT", "target": "/backup-jobs" });
    let started =
        |wire: &&&Value| fields.as_object().unwrap().iter().all(|(name, value)| wire[name] == *value);
    let started: Vec<_> = heard.iter().filter(started).collect();
    assert!(!started.is_empty() && started[0]["request"].as_str().unwrap().contains("IdempotencyToken"));
}
