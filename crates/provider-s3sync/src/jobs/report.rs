//! What did not go as planned, itemised within bounds.

use stillpoint_core::Issue;

/// Items listed one by one.
const LISTED_MAX: usize = 1000;

/// A list of issues of which the first thousand are kept and the others counted.
#[derive(Debug, Default)]
pub(crate) struct Issues {
    listed: Vec<Issue>,
    more: u64,
}

impl Issues {
    /// Adds one issue.
    pub(crate) fn push(&mut self, issue: Issue) {
        if self.listed.len() < LISTED_MAX {
            self.listed.push(issue);
        } else {
            self.more += 1;
        }
    }

    /// Counts issues that nobody itemised.
    pub(crate) fn add_unlisted(&mut self, number: u64) {
        self.more += number;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.more == 0
    }

    /// The list, closed by one that says how many more there were.
    pub(crate) fn into_list(mut self) -> Vec<Issue> {
        if self.more > 0 {
            self.listed.push(Issue::new("more", "", format!("and {} more", self.more)));
        }
        self.listed
    }
}

/// Occurrences of one remark, told by their number and the first item.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    remarks: Vec<(String, String, u64)>,
}

impl Noted {
    /// Notes `remark` about `item`.
    pub(crate) fn add(&mut self, remark: String, item: String) {
        match self.remarks.iter_mut().find(|(known, ..)| *known == remark) {
            Some((.., count)) => *count += 1,
            None => self.remarks.push((remark, item, 1)),
        }
    }

    /// One sentence for each remark.
    pub(crate) fn into_warnings(self) -> Vec<String> {
        let say = |(remark, item, count): (String, String, u64)| match count {
            1 => format!("{remark}: {item}"),
            _ => format!("{remark}: {item} and {} more", count - 1),
        };
        self.remarks.into_iter().map(say).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_closed_by_its_rest() {
        let mut issues = Issues::default();
        assert!(issues.is_empty());
        for number in 0..LISTED_MAX + 5 {
            issues.push(Issue::new("skipped", number.to_string(), "unreadable"));
        }
        issues.add_unlisted(2);
        let list = issues.into_list();
        assert_eq!(list.len(), LISTED_MAX + 1);
        assert_eq!(list.last().unwrap().message, "and 7 more");
    }

    #[test]
    fn equal_remarks_are_one_warning() {
        let mut noted = Noted::default();
        for item in ["a", "b", "c"] {
            noted.add("the owner could not be set".into(), item.into());
        }
        noted.add("left out".into(), "d".into());
        assert_eq!(noted.into_warnings(), ["the owner could not be set: a and 2 more", "left out: d"]);
    }
}
