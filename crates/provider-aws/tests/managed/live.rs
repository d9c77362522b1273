//! The story that is played against a real account, played against the fake: it must be right before it costs money.

#[path = "../../examples/live/story.rs"]
mod story;

use std::sync::Arc;
use std::time::Duration;

use crate::fake::{FILE_SYSTEM, VOLUME, World, component};
use stillpoint_core::SystemEntropy;
use story::{Setting, Story};

#[tokio::test]
async fn the_story_goes_as_expected_and_leaves_nothing_behind() {
    let Some(world) = World::named("workspace") else { return };
    let before = world.region();
    let provider = world.provider();
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
        assert!(step.json()["step"].is_string(), "what the journal gets");
        told.push(step.to_string());
        Ok(())
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
}
