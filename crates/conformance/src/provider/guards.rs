//! Checks of guards on sources.

use stillpoint_core::{ErrorKind, Result, Tags};

use super::bench::{Bench, operation, refusal};
use super::harness::Harness;

/// A guard stands until the operation that it names takes it away, is taken over by the next one with all its tags, and
/// leaves the source as it was. Without
/// [`Capabilities::guards_sources`](stillpoint_core::Capabilities::guards_sources) nothing is written.
///
/// # Errors
/// Whatever the provider answers against the contract.
pub async fn a_guard_stands_as_the_capability_says(harness: &dyn Harness) -> Result<()> {
    let bench = Bench::new(harness).await?;
    let source = harness.source("guarded", 40).await?;
    let (first, second) = (operation("guarded", 1)?, operation("guarded", 2)?);
    let wanted: Tags = [("suite_guard".to_owned(), "true".to_owned())].into();
    let (before, content) = (harness.source_tags(&source).await?, harness.source_content(&source).await?);
    let (provider, cx) = (&bench.provider, &bench.cx);
    if !provider.capabilities().guards_sources {
        assert_eq!(provider.guard(cx, &source, &first, &wanted).await?, Tags::new());
        assert_eq!(provider.guarded(cx, &source).await?, None);
        provider.unguard(cx, &source, &first).await?;
        assert_eq!(harness.source_tags(&source).await?, before, "nothing is written");
        return Ok(());
    }
    assert_eq!(provider.guarded(cx, &source).await?, None);
    provider.unguard(cx, &source, &first).await?;
    for _ in 0..2 {
        assert_eq!(provider.guard(cx, &source, &first, &wanted).await?, Tags::new());
        assert_eq!(provider.guarded(cx, &source).await?.as_ref(), Some(&first));
    }
    let guarded = harness.source_tags(&source).await?;
    let stands = |tags: &Tags| wanted.iter().all(|(key, value)| tags.get(key) == Some(value));
    assert!(guarded.as_ref().is_none_or(stands), "{guarded:?}");
    let restarted = bench.restarted().await?;
    let (provider, cx) = (&restarted.provider, &restarted.cx);
    let other: Tags = [("suite_guard".to_owned(), "false".to_owned())].into();
    assert_eq!(provider.guard(cx, &source, &second, &other).await?, Tags::new(), "it is ours to change");
    provider.unguard(cx, &source, &first).await?;
    assert_eq!(provider.guarded(cx, &source).await?.as_ref(), Some(&second), "it was taken over");
    for _ in 0..2 {
        provider.unguard(cx, &source, &second).await?;
        assert_eq!(provider.guarded(cx, &source).await?, None);
        assert_eq!(harness.source_tags(&source).await?, before, "the source is as it was");
    }
    assert_eq!(harness.source_content(&source).await?, content);
    let missing = harness.missing();
    provider.unguard(cx, &missing, &first).await?;
    assert_eq!(provider.guarded(cx, &missing).await?, None);
    let refused = provider.guard(cx, &missing, &first, &wanted).await;
    assert_eq!(refusal(&refused), Some(ErrorKind::NotFound));
    Ok(())
}
