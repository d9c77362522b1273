//! Relative links of Markdown pages lead somewhere.

use std::path::{Component, Path, PathBuf};

use super::{Finding, Text};

pub(super) fn check(root: &Path, texts: &[Text], findings: &mut Vec<Finding>) {
    for page in texts.iter().filter(|text| text.is("md")) {
        let mut fenced = false;
        for (number, line) in page.numbered() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            }
            if fenced {
                continue;
            }
            for target in targets(line) {
                if let Some(what) = broken(root, texts, page, target) {
                    findings.push(page.finding(number, what));
                }
            }
        }
    }
}

/// What stands in the parentheses of `[text](target)`, as far as it is not a web address.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
}

fn broken(root: &Path, texts: &[Text], page: &Text, target: &str) -> Option<String> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let place = if path.is_empty() { page.path.clone() } else { resolve(&page.path, path) };
    if !root.join(&place).exists() && texts.iter().all(|text| text.path != place) {
        return Some(format!("link to `{target}`, which does not exist"));
    }
    let linked = texts.iter().find(|text| text.path == place && text.is("md"))?;
    let known = anchor.is_empty() || headings(linked).any(|heading| heading == anchor);
    (!known).then(|| format!("link to `{target}`, which has no such heading"))
}

fn resolve(page: &Path, link: &str) -> PathBuf {
    let mut place = page.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => {
                place.pop();
            }
            Component::Normal(name) => place.push(name),
            _ => {}
        }
    }
    place
}

/// Anchors as common Markdown renderers make them: lower case, punctuation dropped, blanks as dashes.
fn headings(page: &Text) -> impl Iterator<Item = String> {
    page.content.lines().filter(|line| line.starts_with('#')).map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str, content: &str) -> Text {
        Text { path: PathBuf::from(path), content: content.to_owned() }
    }

    #[test]
    fn a_link_to_a_missing_page_or_heading_is_found() {
        let root = crate::root();
        let page =
            "[a](../xtask/Cargo.toml) [b](https://example.com/x) [c](gone.md) [d](#the-end)\n\n# The end?\n";
        let texts = [text("docs/page.md", page), text("README.md", "[e](docs/page.md#nowhere)")];
        let mut findings = Vec::new();
        for target in ["gone.md", "../xtask/Cargo.toml", "#the-end"] {
            findings.extend(broken(&root, &texts, &texts[0], target));
        }
        assert_eq!(findings, ["link to `gone.md`, which does not exist"]);
        assert_eq!(targets(page).count(), 3);
        assert_eq!(headings(&texts[0]).collect::<Vec<_>>(), ["the-end"]);
    }
}
