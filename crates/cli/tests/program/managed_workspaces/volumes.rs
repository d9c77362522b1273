//! Volumes out of AWS into the repository, and back.

use serde_json::json;

use super::world::World;

#[test]
fn a_volume_goes_into_the_repository_and_becomes_a_snapshot_again() {
    let Some(mut world) = World::new() else { return };
    world.place.env("AWS_REGION", "us-east-1");
    let run = world.place.run(["volume", "list"]);
    run.assert_refused(10, &["repository"]);
    world.back_up();
    let first = world.place.json(["volume", "export", "ml-prod@latest"]);
    let volumes = first["volumes"].as_array().unwrap();
    assert_eq!((volumes.len(), &volumes[0]["component"]), (1, &json!("db")), "{first:#}");
    assert_eq!((&volumes[0]["known"], &volumes[0]["blocks_read"]), (&json!(false), &json!(40)), "{first:#}");

    world.fake.post("write", &json!({ "volume": "vol-00000000000000001", "blocks": [3] }));
    world.back_up();
    let second = world.place.json(["volume", "export", "ml-prod@latest"]);
    assert_eq!(second["volumes"][0]["blocks_read"], 1, "only what changed: {second:#}");
    let again = world.place.json(["volume", "export", "ml-prod@latest"]);
    assert_eq!(again["volumes"][0]["known"], true, "{again:#}");
    let list = world.place.json(["volume", "list"]);
    assert_eq!(list["volumes"].as_array().unwrap().len(), 2, "{list:#}");

    let image = second["volumes"][0]["image"].as_str().unwrap();
    let made = world.place.json(["volume", "import", &image[..12], "--region", "us-east-1"]);
    assert_eq!((&made["blocks"], &made["known"]), (&json!(40), &json!(false)), "{made:#}");
    let repeated = world.place.json(["volume", "import", image, "--region", "us-east-1"]);
    assert_eq!((&repeated["snapshot"], &repeated["known"]), (&made["snapshot"], &json!(true)));
    let other = world.place.json(["volume", "import", image, "--region", "us-east-1", "--name", "second"]);
    assert_ne!(other["snapshot"], made["snapshot"]);
    world
        .place
        .run(["volume", "import", "0123456789ab", "--region", "us-east-1"])
        .assert_refused(1, &["0123456789ab"]);
    world.fake.assert_no_violations();
}
