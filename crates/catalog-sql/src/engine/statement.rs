//! Statements in the SQL that both databases read, with two words that each database has its own for.

use std::borrow::Cow;

/// Stands for the time by which leases run, in milliseconds.
const NOW: &str = ":now";
/// Stands for what lets a claim pass by a row that somebody else is changing.
const UNLOCKED: &str = ":unlocked";

/// A value that a statement is given.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Optional(Option<String>),
    Number(i64),
    OptionalNumber(Option<i64>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Optional(text.map(str::to_owned))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::OptionalNumber(number)
    }
}

/// Truth is stored as 0 or 1, which is the same in both databases.
impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Number(i64::from(truth))
    }
}

/// A statement and its values, the first of which is `$1` in the text.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    sql: Cow<'static, str>,
    values: Vec<Value>,
}

impl Statement {
    pub(crate) fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Self { sql: sql.into(), values: Vec::new() }
    }

    /// Adds the next value.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Adds text whose `$` stands for `value`.
    pub(crate) fn push(&mut self, text: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        let place = format!("${}", self.values.len());
        self.sql.to_mut().push_str(&text.replace('$', &place));
    }

    /// Adds text without values.
    pub(crate) fn push_str(&mut self, text: &str) {
        self.sql.to_mut().push_str(text);
    }

    /// Adds another statement's text, whose values are numbered on.
    pub(crate) fn append(&mut self, other: Self) {
        let before = self.values.len();
        let mut rest = other.sql.split('$');
        self.push_str(rest.next().unwrap_or_default());
        for part in rest {
            let digits = part.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(part.len());
            let (number, text) = part.split_at(digits);
            let number =
                number.parse::<usize>().map_or_else(|_| number.to_owned(), |own| (own + before).to_string());
            self.push_str(&format!("${number}{text}"));
        }
        self.values.extend(other.values);
    }

    /// For SQLite: the time is one more value, and a claim has the write lock anyway.
    pub(crate) fn for_sqlite(mut self, now: i64) -> (String, Vec<Value>) {
        let mut sql = self.sql.replace(UNLOCKED, "");
        if sql.contains(NOW) {
            self.values.push(Value::Number(now));
            sql = sql.replace(NOW, &format!("${}", self.values.len()));
        }
        (sql, self.values)
    }

    /// For PostgreSQL: the time is the server's.
    #[cfg(feature = "postgres")]
    pub(crate) fn for_postgres(self) -> (String, Vec<Value>) {
        (self.sql.replace(UNLOCKED, "FOR UPDATE SKIP LOCKED").replace(NOW, "now_ms()"), self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_a_value_for_sqlite_and_the_servers_for_postgresql() {
        let mut statement = Statement::new("SELECT :now + $1 WHERE TRUE").bind(5);
        statement.push(" AND a = $", "x");
        statement.push_str(" AND :now > 0 :unlocked");
        let (sql, values) = statement.clone().for_sqlite(77);
        assert_eq!(sql, "SELECT $3 + $1 WHERE TRUE AND a = $2 AND $3 > 0 ");
        assert!(matches!(&values[..], [Value::Number(5), Value::Text(_), Value::Number(77)]), "{values:?}");
        #[cfg(feature = "postgres")]
        assert_eq!(
            statement.for_postgres().0,
            "SELECT now_ms() + $1 WHERE TRUE AND a = $2 AND now_ms() > 0 FOR UPDATE SKIP LOCKED"
        );
    }
}
