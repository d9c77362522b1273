//! Opening databases: new ones, those of other programs, of newer versions, and those that cannot be reached.

use std::time::Duration;

use sqlx::Connection;
use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::{
    BackupQuery, BackupRecord, BackupRequest, Catalog, Claim, Clock, Creation, Definition, Error, ErrorKind,
    Holder, OperationRecord, Request, Result, Retry, Timestamp,
};

use super::support::{Place, Tested};

fn backup(number: i64) -> Result<BackupRecord> {
    let definition = Definition::new("ada".parse()?);
    let time = Timestamp::from_millis(number);
    Ok(BackupRecord::new(format!("b-{number}").parse()?, format!("op-{number}").parse()?, definition, time))
}

/// Opening must fail; the message must be one line that holds `words`, and nothing may show the password.
async fn refused(url: &str, kind: ErrorKind, words: &str) -> Error {
    let options = SqlOptions::default().with_connect_timeout(Duration::from_secs(2));
    let error = SqlCatalog::open(url, options).await.err();
    let error = error.unwrap_or_else(|| Error::new(ErrorKind::Unexpected, "it opened"));
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(message.contains(words) && !message.contains('\n'), "{message:?} says {words:?} in one line");
    let shown = format!("{error:?} {}", error.to_string_chain());
    assert!(!shown.contains("loopback") && !shown.contains("wrong-password"), "{shown}");
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_can_open_a_new_catalog_at_once() -> Tested {
    let place = Place::shared();
    let mut openers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let url = place.url.clone();
        openers.spawn(async move {
            let catalog = SqlCatalog::open(&url, SqlOptions::default().with_connections(1)).await?;
            catalog.put_backup(&backup(number)?, None).await
        });
    }
    openers.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    assert_eq!(place.open().await?.backups(&BackupQuery::all()).await?.items.len(), 8);
    Ok(())
}

#[tokio::test]
async fn a_password_is_shown_by_nothing() -> Tested {
    let place = Place::shared();
    let catalog = place.open().await?;
    let shown = format!("{catalog:?}");
    assert!(shown.contains("127.0.0.1") && !shown.contains("loopback"), "{shown}");
    let wrong = place.url.replace("loopback", "wrong-password");
    refused(&wrong, ErrorKind::Unauthenticated, "refused the user or the password").await;
    refused(&place.url.replace("/postgres?", "/absent?"), ErrorKind::InvalidConfig, "does not exist").await;
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() -> Tested {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let url = format!("postgres://ada:wrong-password@127.0.0.1:{port}/fleet");
    let error = refused(&url, ErrorKind::Unavailable, "cannot be reached").await;
    assert!(matches!(error.retry(), Retry::After { .. }), "it may come back");
    Ok(())
}

/// It takes the connection and never says a word.
#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_in_time() -> Tested {
    let mute = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("postgres://ada:wrong-password@{}/fleet", mute.local_addr()?);
    let options = SqlOptions::default().with_connect_timeout(Duration::from_millis(100));
    let error = SqlCatalog::open(&url, options).await.err().ok_or("it opened")?;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_catalog_of_a_newer_version_or_with_an_altered_schema_is_refused() -> Tested {
    let place = Place::shared();
    place.open().await?;
    place
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (999, 'of the future', TRUE, '\\x00', 0)",
        )
        .await?;
    refused(&place.url, ErrorKind::InvalidConfig, "was written by a newer Stillpoint").await;
    place.execute("DELETE FROM _sqlx_migrations WHERE version = 999").await?;
    place.execute("UPDATE _sqlx_migrations SET checksum = '\\x00'").await?;
    refused(&place.url, ErrorKind::Corrupt, "altered by hand").await;
    Ok(())
}

#[tokio::test]
async fn the_schema_of_another_program_is_refused_untouched() -> Tested {
    let place = Place::shared();
    place.execute(&format!("CREATE SCHEMA {}", place.schema())).await?;
    place.execute("CREATE TABLE operations (surgeon TEXT)").await?;
    refused(&place.url, ErrorKind::InvalidConfig, "of another program").await;
    let mut connection = place.stranger().await?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = $1")
        .bind(place.schema())
        .fetch_one(&mut connection)
        .await?;
    assert_eq!(tables, 1, "nothing was added");
    Ok(())
}

#[tokio::test]
async fn a_user_without_privileges_is_told_so_and_one_who_may_only_read_and_write_needs_no_more() -> Tested {
    let place = Place::shared();
    let (schema, role) = (place.schema(), format!("role_of_{}", place.schema()));
    place.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'wrong-password'")).await?;
    let url = place.url.replace("stillpoint:loopback", &format!("{role}:wrong-password"));
    refused(&url, ErrorKind::PermissionDenied, "lacks a privilege").await;
    place.open().await?;
    place
        .execute(&format!(
            "GRANT USAGE ON SCHEMA {schema} TO {role};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
        ))
        .await?;
    let catalog = SqlCatalog::open(&url, SqlOptions::default()).await?;
    catalog.put_backup(&backup(1)?, None).await?;
    Ok(())
}

#[tokio::test]
async fn a_database_that_does_not_wait_for_its_disk_is_told_to() -> Tested {
    let place = Place::shared();
    // What an address says comes before what the database is set to.
    let url = format!("{}&options=-c%20synchronous_commit%3Doff", place.url);
    let catalog = SqlCatalog::open(&url, SqlOptions::default()).await?;
    catalog.put_backup(&backup(1)?, None).await?;
    let shown: Vec<String> = {
        let mut connection = place.stranger().await?;
        place.execute("CREATE TABLE seen (setting TEXT)").await?;
        place
            .execute(
                "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                 $$BEGIN INSERT INTO seen SELECT current_setting('synchronous_commit'); RETURN NEW; END$$;
                 CREATE TRIGGER note AFTER INSERT ON backups FOR EACH ROW EXECUTE FUNCTION note()",
            )
            .await?;
        catalog.put_backup(&backup(2)?, None).await?;
        sqlx::query_scalar("SELECT setting FROM seen").fetch_all(&mut connection).await?
    };
    assert_eq!(shown, ["on"]);
    Ok(())
}

#[tokio::test]
async fn a_row_that_somebody_holds_is_given_up_in_time_and_a_claim_passes_it_by() -> Tested {
    let place = Place::shared();
    // Whoever makes a schema waits for all who make one in the same database, which may take longer than 50 ms.
    place.open().await?.close().await;
    let options = SqlOptions::default().with_busy_timeout(Duration::from_millis(50)).with_connections(2);
    let catalog = SqlCatalog::open(&place.url, options).await?;
    let me = Holder::new("host", "1");
    let request = BackupRequest::new("op".parse()?, "ada".parse()?);
    let record = OperationRecord::submitted(Request::Backup(request), Timestamp::from_millis(0));
    let Creation::Created(lease) = catalog.create_operation(&record, &me, Duration::ZERO).await? else {
        return Err("the catalog was new".into());
    };
    let mut other = place.stranger().await?;
    let mut held = other.begin().await?;
    sqlx::query("SELECT 1 FROM operations FOR UPDATE").execute(&mut *held).await?;
    let renewal = catalog.renew_lease(&lease, Duration::from_secs(60)).await;
    let error = renewal.err().ok_or("it did not wait for the lock")?;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("locked by another process"), "{error}");
    // Its lease has run out, but somebody is changing it.
    let claim = catalog.claim_operation(&record.id, &me, Duration::from_secs(60), None).await?;
    assert!(matches!(&claim, Claim::Held(info) if !info.live), "{claim:?}");
    held.rollback().await?;
    let claim = catalog.claim_operation(&record.id, &me, Duration::from_secs(60), None).await?;
    assert!(matches!(claim, Claim::Claimed(_)), "{claim:?}");
    Ok(())
}

#[tokio::test]
async fn a_text_that_cannot_be_stored_is_refused() -> Tested {
    let place = Place::shared();
    let catalog = place.open().await?;
    let mut record = backup(1)?;
    record.name = Some("zero\0".into());
    let error = catalog.put_backup(&record, None).await.err().ok_or("it was stored")?;
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    Ok(())
}

/// An hour wrong in either direction: the server's clock is the only one that leases run by.
#[tokio::test]
async fn a_clock_that_is_wrong_makes_no_lease_longer_or_shorter() -> Tested {
    #[derive(Debug)]
    struct Wrong(i64);
    #[async_trait::async_trait]
    impl Clock for Wrong {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(stillpoint_core::SystemClock::default().now().as_millis() + self.0)
        }
        async fn sleep(&self, duration: Duration) {
            tokio::time::sleep(duration).await;
        }
    }
    let place = Place::shared();
    let mut catalogs = Vec::new();
    for skew in [-3_600_000, 3_600_000] {
        let options = SqlOptions::default().with_clock(std::sync::Arc::new(Wrong(skew))).with_connections(1);
        catalogs.push(SqlCatalog::open(&place.url, options).await?);
    }
    for (number, (mine, other)) in [(0, 1), (1, 0)].into_iter().enumerate() {
        let request = BackupRequest::new(format!("op-{number}").parse()?, format!("w-{number}").parse()?);
        let record = OperationRecord::submitted(Request::Backup(request), Timestamp::from_millis(0));
        let (me, rival) = (Holder::new("a", "1"), Holder::new("b", "2"));
        let created = catalogs[mine].create_operation(&record, &me, Duration::from_secs(60)).await?;
        assert!(matches!(created, Creation::Created(_)));
        let claim =
            catalogs[other].claim_operation(&record.id, &rival, Duration::from_secs(60), None).await?;
        assert!(matches!(&claim, Claim::Held(info) if info.live), "sixty seconds have not passed: {claim:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_closed_catalog_says_so() -> Tested {
    let catalog = Place::shared().open().await?;
    catalog.close().await;
    let error = catalog.backups(&BackupQuery::all()).await.err().ok_or("it answered")?;
    assert!(error.to_string().contains("closed") && error.retry() == Retry::Never, "{error:?}");
    Ok(())
}
