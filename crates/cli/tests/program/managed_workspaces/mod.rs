//! Managed workspaces from the command line, against a fake AWS that holds every call against the services' own models:
//! `AWS_ENDPOINT_URL` and static credentials are all that is special.

mod azure;
mod azure_vaults;
mod backups;
mod copies;
mod interrupted;
mod refusals;
mod restores;
mod two_clouds;
mod volumes;
mod world;
