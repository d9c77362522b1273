//! The address of a PostgreSQL database. It may hold a password, so nothing of this module shows it.

use std::fmt;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use stillpoint_core::{Error, ErrorKind, Result};
use url::Url;

/// The schema that the tables lie in where the address names none.
const SCHEMA: &str = "stillpoint";
/// What servers list the connections under where the address names nothing else.
const APPLICATION: &str = "stillpoint";
/// The longest name that PostgreSQL does not cut off.
const NAME_MAX: usize = 63;
/// What may follow the question mark, besides `schema`: words of libpq that the client understands.
const KNOWN: [&str; 14] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
    "schema",
];

/// Where to connect, and as whom.
pub(super) struct Address {
    pub(super) connect: PgConnectOptions,
    pub(super) schema: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Host, port, database and schema; never the user's password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connect = &self.connect;
        let database = connect.get_database().unwrap_or_else(|| connect.get_username());
        match connect.get_socket() {
            Some(socket) => write!(f, "{}/{database}", socket.display())?,
            None => write!(f, "{}:{}/{database}", connect.get_host(), connect.get_port())?,
        }
        write!(f, " (schema {})", self.schema)
    }
}

/// Whether `url` is the address of a PostgreSQL database.
pub(crate) fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

impl Address {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?NAME=VALUE`, of which everything may be left out.
    pub(super) fn parse(url: &str) -> Result<Self> {
        // The parsers' own errors are dropped: they may repeat what they could not read.
        let wrong = |message: &str| Error::new(ErrorKind::InvalidConfig, message);
        let unreadable = "the catalog's address cannot be read; write postgres://USER@HOST:PORT/DATABASE";
        let mut url = Url::parse(url).map_err(|_parser| wrong(unreadable))?;
        if url.cannot_be_a_base() {
            return Err(wrong(unreadable));
        }
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        for (name, _) in &pairs {
            if !KNOWN.contains(&name.as_str()) && !name.starts_with("options[") {
                // Its name is not repeated: behind an unescaped `?` in a password it is a part of that.
                return Err(wrong(
                    "the catalog's address has a setting that is not known here; escape a `?` as %3F",
                ));
            }
        }
        let schema = pairs.iter().find(|(name, _)| name == "schema").map_or(SCHEMA, |(_, value)| value);
        let schema = checked(schema)?.to_owned();
        url.query_pairs_mut().clear().extend_pairs(pairs.iter().filter(|(name, _)| name != "schema"));
        let mut connect = PgConnectOptions::from_url(&url).map_err(|_parser| wrong(unreadable))?;
        if connect.get_application_name().is_none() {
            connect = connect.application_name(APPLICATION);
        }
        Ok(Self { connect, schema })
    }
}

/// A schema's name that needs no quotes.
fn checked(name: &str) -> Result<&str> {
    let good = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.len() <= NAME_MAX
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        && !name.starts_with("pg_");
    let message = "the schema of the catalog must be named in lower-case letters, digits and underscores";
    if good { Ok(name) } else { Err(Error::new(ErrorKind::InvalidConfig, message)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_server_database_and_schema() {
        let address = Address::parse("postgres://ada:pw@db.example.com:6543/fleet?sslmode=require").unwrap();
        assert_eq!(address.to_string(), "db.example.com:6543/fleet (schema stillpoint)");
        let address =
            Address::parse("postgresql://ada@db/fleet?schema=team_1&application_name=night").unwrap();
        assert_eq!(address.to_string(), "db:5432/fleet (schema team_1)");
        assert_eq!(address.connect.get_application_name(), Some("night"));
    }

    #[test]
    fn an_address_with_an_unknown_setting_or_a_strange_schema_is_refused() {
        for bad in [
            "postgres:db",
            "postgres://db/fleet?sslmod=require",
            "postgres://db/fleet?sslmode=perhaps",
            "postgres://db/fleet?schema=pg_catalog",
            "postgres://db/fleet?schema=a;b",
            "postgres://db/fleet?schema=",
            "postgres://db:none/fleet",
        ] {
            assert_eq!(Address::parse(bad).unwrap_err().kind(), ErrorKind::InvalidConfig, "{bad:?}");
        }
    }

    #[test]
    fn a_password_is_in_no_debug_form_and_in_no_error() {
        for url in [
            "postgres://ada:secret@db/fleet",
            "postgres://ada@db/fleet?password=secret",
            "postgres://ada:secret@db/fleet?pasword=secret",
            "postgres://ada:secret@db:none/fleet",
            "postgres://ada:secret@db/fleet?sslmode=secret",
            "postgres://ada:secret@[db/fleet",
        ] {
            let shown = match Address::parse(url) {
                Ok(address) => format!("{address} {address:?}"),
                Err(error) => format!("{error} {error:?} {}", error.to_string_chain()),
            };
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
