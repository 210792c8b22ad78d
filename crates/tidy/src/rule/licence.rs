//! SPDX licence expressions, as far as crates.io uses them (spdx.github.io/spdx-spec, annex D):
//! `AND`, `OR`, parentheses, `WITH`, and the old `/`. An expression that can't be read is refused.

/// Whether the allowed licences are enough to use something under this expression.
pub(super) fn is_satisfied(expression: &str, is_allowed: impl Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { tokens: &tokens, is_allowed: &is_allowed };
    let result = reader.any();
    result == Some(true) && reader.tokens.is_empty()
}

struct Reader<'a> {
    tokens: &'a [&'a str],
    is_allowed: &'a dyn Fn(&str) -> bool,
}

impl<'a> Reader<'a> {
    /// `a OR b`, which binds weaker than AND.
    fn any(&mut self) -> Option<bool> {
        let mut result = self.all()?;
        while self.takes("OR") {
            result |= self.all()?;
        }
        Some(result)
    }

    /// `a AND b`.
    fn all(&mut self) -> Option<bool> {
        let mut result = self.one()?;
        while self.takes("AND") {
            result &= self.one()?;
        }
        Some(result)
    }

    /// `( … )`, `Id` or `Id WITH Exception`; an exception only ever permits more.
    fn one(&mut self) -> Option<bool> {
        if self.takes("(") {
            let result = self.any()?;
            return self.takes(")").then_some(result);
        }
        let id = self.next()?;
        if self.takes("WITH") {
            self.next()?;
        }
        Some((self.is_allowed)(id))
    }

    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(*first)
    }

    fn takes(&mut self, token: &str) -> bool {
        let is_next = self.tokens.first() == Some(&token);
        if is_next {
            self.tokens = &self.tokens[1..];
        }
        is_next
    }
}

#[cfg(test)]
mod tests {
    use super::is_satisfied;

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        for (expression, satisfied) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT", true),
            ("GPL-3.0-only AND MIT", false),
            ("MIT/Apache-2.0", true),
            ("MIT AND (GPL-3.0-only OR Apache-2.0)", true),
            ("GPL-3.0-only OR MIT AND GPL-2.0-only", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("(MIT", false),
            ("MIT MIT", false),
            ("", false),
        ] {
            let is_allowed = |id: &str| ["MIT", "Apache-2.0"].contains(&id);
            assert_eq!(is_satisfied(expression, is_allowed), satisfied, "{expression}");
        }
    }
}
