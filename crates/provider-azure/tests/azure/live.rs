//! The story that is played against a real subscription, played against the fake: it must be right before it costs money.

#[path = "../../examples/live-azure/story.rs"]
mod story;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stillpoint_core::SystemEntropy;
use story::{Setting, Story};

use crate::fake::{World, disk, group};
use crate::shares::share;
use crate::{stories, volumes};

#[tokio::test]
async fn the_story_goes_as_expected_and_leaves_nothing_behind() {
    let files = json!({"name": "files", "kind": "FileStorage", "sku": "Premium_LRS", "soft_delete_days": 0,
        "shares": [{"name": "projects", "protocol": "NFS"}]});
    let pool = json!({"name": "pool", "size_tib": 4, "volumes": [{"name": "home", "size_gib": 100}]});
    let body = json!({"disks": [{"name": "db", "size_gib": 8}], "storage_accounts": [files],
        "netapp_accounts": [{"name": "anf", "pools": [pool]}]});
    let Some(world) = World::of(&group(body, json!({}))) else { return };
    let home = volumes::component("home");
    let provider = world.provider().looking_in([share("projects"), home.resource.clone()]).unwrap();
    let setting = Setting {
        components: vec![disk("db"), stories::projects(), home],
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
    assert!(told.len() > 25, "{}", told.join("\n"));
    world.advance(60.0);
    let left = ["disks", "snapshots", "shares", "volumes"].map(|kind| world.count(kind));
    assert_eq!(left, [1, 0, 1, 1], "{}", told.join("\n"));
    assert_eq!(world.resource(&share("projects"))["hidden"]["snapshots"], json!([]));
}
