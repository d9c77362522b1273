//! Where a restore happens: in the subscription and the region in which the snapshot stands, and nowhere else.

use stillpoint_core::{Error, ErrorKind, Result, Wanted};

/// Proves that the snapshot of `subscription` at `location` can be restored where it is wanted.
///
/// # Errors
/// `InvalidInput` that names both places and the way out.
pub(in super::super) fn prove(subscription: &str, location: &str, wanted: &Wanted) -> Result<()> {
    if let Some(asked) = wanted.text("subscription")? {
        check("subscription", subscription, &asked)?;
    }
    if let Some(region) = wanted.text("region")? {
        check("region", location, &region)?;
    }
    Ok(())
}

fn check(what: &str, point: &str, target: &str) -> Result<()> {
    // Azure writes a region both ways: "West Europe" and "westeurope".
    let plain = |text: &str| text.replace(' ', "").to_lowercase();
    if plain(point) == plain(target) {
        return Ok(());
    }
    let way = match what {
        "region" => "copy the backup to that region first and restore the copy",
        _ => "restore it here, and move the resource to the other subscription afterwards",
    };
    let message = format!(
        "the snapshot is in {what} {point} and the restore was asked for in {target}; Azure makes a disk or volume only where \
         the snapshot stands, so {way}"
    );
    Err(Error::new(ErrorKind::InvalidInput, message).with(what, point))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_place_is_refused_by_name_with_the_way_out() {
        assert!(check("region", "westeurope", "West Europe").is_ok());
        let error = check("region", "westeurope", "northeurope").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        for part in ["westeurope", "northeurope", "copy the backup"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        assert!(check("subscription", "1", "2").is_err());
    }
}
