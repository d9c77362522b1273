//! Managed workspaces with real shells and files, and no cloud.

mod hooks;
mod provisioner;
mod workspace;

use std::path::Path;

use super::Places;
use crate::settings::{ConfigFile, ManagedConfig};

/// Two managed workspaces: `old`, which was backed up, and `new`, which may have more keys.
fn configured(dir: &Path, hooks: &str, target: &str) -> Vec<ManagedConfig> {
    let text = format!(
        r#"
        [[workspace]]
        id = "old"
        provider = "aws"
        account = "123456789012"
        region = "us-west-2"
        environment = "prod"
        software_version = "2.0.50"
        vault = "ml-backups"
        role_arn = "arn:aws:iam::123456789012:role/AWSBackupRole"
        protect_tags = {{ "do-not-collect" = "true" }}
        protect_sources = true
        roles = [{{ principal = "ada", role = "MLAdmin" }}]
        destination = {{ subnets = ["subnet-1"] }}
        components = [
          {{ id = "db", kind = "ebs", resource = "arn:aws:ec2:us-west-2:123456789012:volume/vol-0a1", settings = {{ availability_zone = "us-west-2a" }} }},
          {{ id = "projects", kind = "efs", resource = "arn:aws:elasticfilesystem:us-west-2:123456789012:file-system/fs-0b2", mount = "/mnt/projects" }},
          {{ id = "datasets", kind = "nfs", resource = "nfs.example.com:/export" }},
          {{ id = "shared", kind = "nfs", resource = "nfs.example.com:/shared", mount = "/mnt/shared" }},
        ]
        [workspace.hooks]
        {hooks}
        {target}
        "#
    );
    let path = dir.join("config.toml");
    std::fs::write(&path, text).unwrap();
    ConfigFile::read(&path).unwrap().all_managed().cloned().collect()
}

fn places(dir: &Path) -> Places {
    Places { holds: dir.join("holds"), hooks: dir.join("hooks") }
}
