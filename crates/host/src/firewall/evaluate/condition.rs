//! Statements of one rule: its conditions, its marks, and what it does in the end.

use super::super::compare::{Truth, Value, bits, matches_element, number, ordered};
use super::super::packet::Tracking;
use super::super::rules::{
    Action, Data, Element, Expression, Key, Pattern, Relation, Right, Rule, Scalar, Statement, Test,
};
use super::{Passed, Place, Walk};

/// linux/ip.h: "don't fragment" may or may not be set, the rest of the field is zero.
const DONT_FRAGMENT: u128 = 0x4000;

/// What a set or map says about some values.
struct Found {
    truth: Truth,
    data: Option<Data>,
    element: Option<String>,
}

impl<'a> Walk<'a, '_> {
    /// What a rule does with the packet, `None` when it does nothing or doesn't match.
    pub(super) fn rule(&mut self, place: Place<'a>, rule: &'a Rule) -> Passed<'a, Option<Action>> {
        let mut element = None;
        for statement in &rule.statements {
            let goes_on = match statement {
                Statement::Test(test) => {
                    let (truth, found) = self.test(place, test);
                    element = found.or(element);
                    self.decide(place, truth)?
                }
                Statement::Maybe => self.choose(place)?,
                Statement::Known(answer) => *answer,
                Statement::Limit { text, over } => {
                    if !self.limits.contains(text) {
                        self.limits.push(text.clone());
                    }
                    !over
                }
                Statement::Do(action) => {
                    self.element = element;
                    return Ok(Some(action.clone()));
                }
                Statement::Choose { keys, map } => match self.look_up(place, keys, map)? {
                    Some(Data::Action(action)) => return Ok(Some(action)),
                    Some(Data::Values(_)) => return Ok(Some(Action::Lose)),
                    None => false,
                },
                Statement::SetMark { connection, value } => {
                    self.set_mark(place, *connection, value)?
                }
                Statement::NoTrack => {
                    if self.packet.tracking == Tracking::Invalid {
                        self.packet.tracking = Tracking::Untracked;
                    }
                    true
                }
                Statement::Remember { set, keys, add } => {
                    let values = self.values(keys);
                    let known = !values.contains(&Value::Absent);
                    if known {
                        self.remembered.push((set.clone(), values, *add));
                    }
                    known
                }
            };
            if !goes_on {
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn decide(&mut self, place: Place<'a>, truth: Truth) -> Passed<'a, bool> {
        match truth {
            Truth::Yes => Ok(true),
            Truth::No => Ok(false),
            Truth::Maybe => self.choose(place),
        }
    }

    fn values(&self, keys: &[Key]) -> Vec<Value> {
        keys.iter().map(|key| self.packet.get(*key, self.machine)).collect()
    }

    /// Is a condition true, and which element of which named set made it so?
    fn test(&self, place: Place<'a>, test: &Test) -> (Truth, Option<(String, String)>) {
        let mut values = self.values(&test.left);
        if values.contains(&Value::Absent) {
            return (Truth::No, None);
        }
        let [key, ..] = test.left.as_slice() else { return (Truth::Maybe, None) };
        if let Some(mask) = &test.mask {
            let Some(mask) = bits(*key, mask) else { return (Truth::Maybe, None) };
            let zero = *key == Key::FragmentOffset && mask & DONT_FRAGMENT == 0;
            values = values
                .into_iter()
                .map(|value| if zero { Value::Number(0) } else { value.masked(mask) })
                .collect();
        } else if *key == Key::Status && matches!(test.relation, Relation::In | Relation::NotIn) {
            // More bits are set than those that we follow.
            return (Truth::Maybe, None);
        }
        match (test.relation, &test.right) {
            (Relation::In | Relation::NotIn, Right::Bits(scalars)) => {
                let wanted = bits(*key, scalars).map(Scalar::Number).map(Pattern::One);
                let Some(wanted) = wanted else { return (Truth::Maybe, None) };
                let element = Element::of(vec![wanted]);
                (turned(test.relation, matches_element(&test.left, &values, &element)), None)
            }
            (Relation::In | Relation::NotIn, right) => {
                let found = self.find(place, &test.left, &values, right);
                let named = match (right, found.element) {
                    (Right::Named(name), Some(text)) => Some((name.clone(), text)),
                    _ => None,
                };
                (turned(test.relation, found.truth), named)
            }
            (relation, right) => {
                let (Some(limit), [value]) = (limit(*key, right), values.as_slice()) else {
                    return (Truth::Maybe, None);
                };
                (ordered(relation, value, limit), None)
            }
        }
    }

    /// Looks values up among elements, or in a named set with what the packet itself added to it.
    fn find(&self, place: Place<'a>, keys: &[Key], values: &[Value], right: &Right) -> Found {
        let nothing = |truth| Found { truth, data: None, element: None };
        let elements = match right {
            Right::Elements(elements) => elements,
            Right::Named(name) => {
                let mut own = self.remembered.iter().rev();
                if let Some((_, _, added)) = own.find(|(set, of, _)| set == name && of == values) {
                    return nothing((*added).into());
                }
                match place.table.sets.get(name) {
                    Some(set) if !set.unread => &set.elements,
                    _ => return nothing(Truth::Maybe),
                }
            }
            Right::Bits(_) => return nothing(Truth::Maybe),
        };
        let mut all = nothing(Truth::No);
        let specific = |element: &&Element| element.parts.as_slice() != [Pattern::Any];
        let (first, last): (Vec<_>, Vec<_>) = elements.iter().partition(specific);
        for element in first.into_iter().chain(last) {
            let truth = matches_element(keys, values, element);
            if truth == Truth::Yes && all.truth != Truth::Maybe {
                let text = element.parts.iter().map(ToString::to_string).collect::<Vec<_>>();
                let element = element.clone();
                return Found { truth, data: element.data, element: Some(text.join(" . ")) };
            }
            all.truth = all.truth.or(truth);
        }
        all
    }

    /// What a map gives for the packet; `None` when it has nothing.
    fn look_up(&mut self, place: Place<'a>, keys: &[Key], map: &Right) -> Passed<'a, Option<Data>> {
        let values = self.values(keys);
        if values.contains(&Value::Absent) {
            return Ok(None);
        }
        let found = self.find(place, keys, &values, map);
        match found.truth {
            Truth::Yes => Ok(found.data),
            Truth::No => Ok(None),
            // Each element that may be meant is tried in its turn.
            Truth::Maybe => {
                let elements = match map {
                    Right::Elements(elements) => elements.clone(),
                    Right::Named(name) => {
                        let set = place.table.sets.get(name).filter(|set| !set.unread);
                        let Some(set) = set else { return Ok(Some(Data::Action(Action::Lose))) };
                        set.elements.clone()
                    }
                    Right::Bits(_) => return Ok(Some(Data::Action(Action::Lose))),
                };
                for element in elements {
                    let truth = matches_element(keys, &values, &element);
                    if self.decide(place, truth)? {
                        return Ok(element.data);
                    }
                }
                Ok(None)
            }
        }
    }

    fn set_mark(
        &mut self,
        place: Place<'a>,
        connection: bool,
        value: &Expression,
    ) -> Passed<'a, bool> {
        let Some(values) = self.express(place, value)? else { return Ok(false) };
        let value = match values.into_iter().next() {
            Some(Value::Number(number)) => Value::Number(number & u128::from(u32::MAX)),
            _ => Value::Unknown,
        };
        if connection {
            self.packet.connection_mark = value;
        } else {
            self.packet.mark = value;
        }
        Ok(true)
    }

    /// The values of an expression; `None` when the packet has none for it, which ends the rule.
    pub(super) fn express(
        &mut self,
        place: Place<'a>,
        expression: &Expression,
    ) -> Passed<'a, Option<Vec<Value>>> {
        Ok(match expression {
            Expression::Pattern(pattern) => Some(vec![as_value(pattern)]),
            Expression::Key(key) => match self.packet.get(*key, self.machine) {
                Value::Absent => None,
                value => Some(vec![value]),
            },
            Expression::And(left, right) => self.combine(place, left, right, |a, b| a & b)?,
            Expression::Or(left, right) => self.combine(place, left, right, |a, b| a | b)?,
            Expression::Xor(left, right) => self.combine(place, left, right, |a, b| a ^ b)?,
            Expression::Map(keys, map) => match self.look_up(place, keys, map)? {
                Some(Data::Values(patterns)) => Some(patterns.iter().map(as_value).collect()),
                Some(Data::Action(_)) => Some(vec![Value::Unknown]),
                None => None,
            },
            Expression::Unknown => Some(vec![Value::Unknown]),
        })
    }

    fn combine(
        &mut self,
        place: Place<'a>,
        left: &Expression,
        right: &Expression,
        with: impl Fn(u128, u128) -> u128,
    ) -> Passed<'a, Option<Vec<Value>>> {
        let (Some(left), Some(right)) = (self.express(place, left)?, self.express(place, right)?)
        else {
            return Ok(None);
        };
        Ok(Some(vec![match (left.as_slice(), right.as_slice()) {
            ([Value::Number(left)], [Value::Number(right)]) => Value::Number(with(*left, *right)),
            _ => Value::Unknown,
        }]))
    }
}

fn turned(relation: Relation, truth: Truth) -> Truth {
    if relation == Relation::NotIn { truth.not() } else { truth }
}

/// The number on the right of an ordering or a bit test.
fn limit(key: Key, right: &Right) -> Option<u128> {
    match right {
        Right::Bits(scalars) => bits(key, scalars),
        Right::Elements(elements) => match elements.as_slice() {
            [Element { parts, .. }] => match parts.as_slice() {
                [Pattern::One(scalar)] => number(key, scalar),
                _ => None,
            },
            _ => None,
        },
        Right::Named(_) => None,
    }
}

fn as_value(pattern: &Pattern) -> Value {
    // Addresses, ports and marks: numbers whatever the key.
    let plain = |scalar: &Scalar| number(Key::Unknown, scalar);
    match pattern {
        Pattern::One(scalar) => plain(scalar).map_or(Value::Unknown, Value::Number),
        Pattern::Range(first, last) => match plain(first).zip(plain(last)) {
            Some((first, last)) if first == last => Value::Number(first),
            Some((first, last)) => Value::Between(first, last),
            None => Value::Unknown,
        },
        Pattern::Any => Value::Unknown,
    }
}
