//! Components found by tags on the fake AWS.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::sync::Arc;

use crate::fake::{FILE_SYSTEM, REGION, VOLUME, VOLUME_TWO, World, scenario};
use serde_json::json;
use stillpoint_core::{ErrorKind, Tags};

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

async fn found(world: &Arc<World>, wanted: &Tags) -> Vec<String> {
    let components = world.provider().discover(&world.cx(), REGION, wanted).await.unwrap();
    components.into_iter().map(|component| component.resource).collect()
}

#[tokio::test]
async fn volumes_and_file_systems_are_found_by_all_of_their_tags() {
    let Some(world) = World::named("workspace") else { return };
    let wanted = tags(&[("workspace", "w1")]);
    assert_eq!(found(&world, &wanted).await, [VOLUME, VOLUME_TWO, FILE_SYSTEM]);
    let components = world.provider().discover(&world.cx(), REGION, &wanted).await.unwrap();
    assert_eq!((components[0].id.as_str(), components[0].kind.as_str()), ("vol-00000000000000001", "ebs"));
    assert_eq!((components[2].id.as_str(), components[2].kind.as_str()), ("fs-00000000000000001", "efs"));
    assert_eq!(found(&world, &tags(&[("workspace", "w1"), ("team", "ml")])).await, [""; 0]);
    assert_eq!(found(&world, &tags(&[("workspace", "*")])).await, [""; 0], "a value is no pattern");
}

/// Takes a tag away by AWS's own call, which the index notices late.
async fn untag(world: &Arc<World>, resource: &str, key: &str) {
    let credentials = aws_credential_types::Credentials::new("test", "test", None, None, "the test");
    let config = aws_sdk_resourcegroupstagging::Config::builder()
        .behavior_version(aws_sdk_resourcegroupstagging::config::BehaviorVersion::latest())
        .region(aws_sdk_resourcegroupstagging::config::Region::new(REGION))
        .endpoint_url(world.fake().endpoint())
        .credentials_provider(credentials)
        .build();
    let client = aws_sdk_resourcegroupstagging::Client::from_conf(config);
    client.untag_resources().resource_arn_list(resource).tag_keys(key).send().await.unwrap();
}

#[tokio::test]
async fn what_lost_its_tag_is_no_component_although_the_index_still_has_it() {
    let mut body = scenario("workspace");
    body["rules"] = json!({"tagging.lag_seconds": 3600});
    let Some(world) = World::of(&body) else { return };
    world.fake().post("set", &json!({"key": "test", "set": {"policies": null}}));
    untag(&world, VOLUME, "workspace").await;
    world.allow(&[stillpoint_provider_aws::managed::Task::Discover]);
    let wanted = tags(&[("workspace", "w1")]);
    assert_eq!(found(&world, &wanted).await, [VOLUME_TWO, FILE_SYSTEM]);
    let journal = world.fake().get("journal");
    let asked = json!({"VolumeIds": ["vol-00000000000000001"]});
    let confirmed = journal.as_array().unwrap().iter().any(|entry| entry["params"] == asked);
    assert!(confirmed, "what only the index has is looked at once more");
}

#[tokio::test]
async fn a_new_tag_counts_before_the_index_knows_it() {
    let mut body = scenario("workspace");
    // Longer than the scenario's resources are old: the index has nothing at all.
    body["rules"] = json!({"tagging.lag_seconds": 1_000_000});
    let Some(world) = World::of(&body) else { return };
    let wanted = tags(&[("workspace", "w1")]);
    assert_eq!(found(&world, &wanted).await, [VOLUME, VOLUME_TWO, FILE_SYSTEM]);
    world.fake().post("set", &json!({"volume": "vol-00000000000000001", "set": {"state": "deleting"}}));
    world.fake().post("set", &json!({"file_system": "fs-00000000000000001", "set": {"state": "deleting"}}));
    assert_eq!(found(&world, &wanted).await, [VOLUME_TWO], "what is on its way out is no component");
}

#[tokio::test]
async fn a_list_is_followed_to_its_end_or_is_an_error() {
    let mut body = scenario("workspace");
    let region = &mut body["accounts"]["111122223333"]["regions"][REGION];
    region["file_systems"] =
        (0..250).map(|at| json!({"id": format!("fs-{at:017}"), "tags": {"workspace": "w1"}})).collect();
    let Some(world) = World::of(&body) else { return };
    let wanted = tags(&[("workspace", "w1")]);
    world.inject(&json!({"op": "GetResources", "fault": {"kind": "empty_page"}}));
    assert_eq!(found(&world, &wanted).await.len(), 252);
    for operation in ["DescribeVolumes", "DescribeFileSystems", "GetResources"] {
        world.inject(&json!({"op": operation, "fault": {"kind": "http", "status": 503}}));
        let error = world.provider().discover(&world.cx(), REGION, &wanted).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{operation}: {error}");
    }
    let error = world.provider().discover(&world.cx(), REGION, &Tags::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}
