//! The course of one incident through the policies that apply: which step comes when, who has
//! heard.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::View;
use super::quiet::Quiet;
use super::rules::{Applies, Policy, Rules, Step, Targets};
use crate::incident::{Incident, Phase};
use crate::monitor::Monitor;
use crate::units::show;

/// Between the parts of a digest's key: no name has it.
const SEPARATOR: char = '\u{1f}';
/// The policy that a monitor's own `notify` is; no other has this name.
const OWN: &str = "";

/// What is remembered of one open incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// Its id.
    pub incident: String,
    /// The monitor's name.
    pub monitor: String,
    /// Told so many times; part of each notice's key.
    pub told: u32,
    /// By policy.
    pub progress: BTreeMap<String, Progress>,
    /// By channel.
    pub heard: BTreeMap<String, Heard>,
    /// Digests that it is in.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub collected: BTreeSet<String>,
    /// Why nobody is told at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
    /// What the next message has to say about the quiet before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// When to look at it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<Timestamp>,
}

/// How far it has come with one policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// When the policy began to apply.
    pub since: Timestamp,
    /// Steps done.
    pub step: usize,
    /// When the last one was.
    pub last: Timestamp,
    /// Times said again after the last step.
    pub repeats: u32,
}

/// How a channel has heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// It hears of the end too.
    pub recovery: bool,
    /// By a message about several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// Who is told next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// When.
    pub at: Timestamp,
    /// By which policy.
    pub policy: String,
    /// Over which channels; none: nobody is on call then.
    pub channels: Vec<String>,
}

impl Escalation {
    pub(super) fn new(incident: &Incident) -> Self {
        Self { incident: incident.id.clone(), monitor: incident.monitor.clone(), ..Self::default() }
    }

    pub(super) fn in_group(&self, group: &str) -> bool {
        self.heard.values().any(|heard| heard.group.as_deref() == Some(group))
    }

    /// What comes next with each policy if nobody takes the incident, soonest first. While there
    /// is a reason to be quiet nothing does.
    #[must_use]
    pub fn next(&self, rules: &Rules) -> Vec<Next> {
        if self.quiet.is_some() {
            return Vec::new();
        }
        let policies = rules.policies.iter().filter(|policy| policy.digest.is_none());
        let mut all: Vec<Next> = policies
            .filter_map(|policy| {
                let progress = self.progress.get(&policy.name)?;
                let (from, after, who) = match (policy.steps.get(progress.step), policy.repeat) {
                    (Some(step), _) => (progress.since, step.after, &step.who),
                    (None, Some(repeat)) if progress.repeats < repeat.times => {
                        (progress.last, repeat.every, &policy.steps.last()?.who)
                    }
                    (None, _) => return None,
                };
                let at = from.checked_add(after).ok()?;
                let (channels, _) = rules.channels(who, at);
                Some(Next { at, policy: policy.name.clone(), channels })
            })
            .collect();
        all.sort_by_key(|next| next.at);
        all
    }

    /// The monitors whose reports matter to it.
    pub(super) fn watches(&self) -> &[String] {
        self.quiet.as_ref().map_or(&[], Quiet::watches)
    }
}

/// What one look has come to.
#[derive(Debug, Default)]
pub(super) struct Climbed {
    /// By channel.
    pub(super) tell: BTreeMap<String, Telling>,
    /// Digest keys with their channels.
    pub(super) collect: Vec<(String, String)>,
    pub(super) moments: Vec<String>,
    pub(super) wake: Option<Timestamp>,
}

/// What one channel is told besides.
#[derive(Debug, Default)]
pub(super) struct Telling {
    pub(super) note: Option<String>,
    pub(super) recovery: bool,
}

impl Climbed {
    fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    fn tell(&mut self, channels: Vec<String>, note: Option<&str>, recovery: bool) {
        for channel in channels {
            let telling = self.tell.entry(channel).or_default();
            telling.recovery |= recovery;
            if telling.note.is_none() {
                telling.note = note.map(str::to_owned);
            }
        }
    }
}

/// Goes up the steps whose time has come.
pub(super) fn climb(
    view: &View<'_>,
    escalation: &mut Escalation,
    incident: &Incident,
    monitor: &Monitor,
) -> Climbed {
    let mut climbed = Climbed::default();
    if incident.phase != Phase::Open {
        return climbed;
    }
    let own = own(monitor);
    for policy in own.iter().chain(&view.rules.policies) {
        if !escalation.progress.contains_key(&policy.name) {
            if !policy.applies.to(monitor, incident) {
                continue;
            }
            let hours = policy.applies.hours.as_ref().filter(|hours| !hours.contain(view.now));
            if let Some(hours) = hours {
                hours.next(view.now).into_iter().for_each(|at| climbed.wake_at(at));
                continue;
            }
        }
        let progress = escalation.progress.entry(policy.name.clone()).or_insert(Progress {
            since: view.now,
            step: 0,
            last: view.now,
            repeats: 0,
        });
        if policy.digest.is_some() {
            collect(view, policy, progress, &mut climbed);
        } else {
            steps(view, policy, progress, &mut climbed);
            repeats(view, policy, progress, &mut climbed);
        }
    }
    climbed
}

/// A monitor's own `notify` is a policy of one step.
fn own(monitor: &Monitor) -> Option<Policy> {
    let who = Targets { channels: monitor.notify.clone(), ..Targets::default() };
    let step = Step { after: std::time::Duration::ZERO, who };
    (!monitor.notify.is_empty()).then(|| Policy {
        name: OWN.to_owned(),
        applies: Applies::default(),
        steps: vec![step],
        repeat: None,
        digest: None,
        recovery: true,
    })
}

fn collect(view: &View<'_>, policy: &Policy, progress: &mut Progress, climbed: &mut Climbed) {
    if progress.step > 0 {
        return;
    }
    progress.step = policy.steps.len().max(1);
    for step in &policy.steps {
        let (channels, _) = view.rules.channels(&step.who, view.now);
        for channel in channels {
            climbed.collect.push((format!("{}{SEPARATOR}{channel}", policy.name), channel));
        }
    }
}

fn steps(view: &View<'_>, policy: &Policy, progress: &mut Progress, climbed: &mut Climbed) {
    let mut unreached = false;
    while let Some(step) = policy.steps.get(progress.step) {
        let due = progress.since.checked_add(step.after).unwrap_or(Timestamp::MAX);
        if due > view.now {
            climbed.wake_at(due);
            return;
        }
        let (channels, nobody) = view.rules.channels(&step.who, view.now);
        progress.step += 1;
        progress.last = view.now;
        let number = progress.step;
        for name in nobody {
            climbed.moments.push(format!("nobody is on call in {name:?}"));
        }
        if channels.is_empty()
            && let Some(next) = policy.steps.get(number)
        {
            // Who can't be reached is not waited for.
            progress.since = view.now.checked_sub(next.after).unwrap_or(Timestamp::MIN);
            let text = format!("step {number} of {} reaches nobody: the next one now", policy.name);
            climbed.moments.push(text);
            unreached = true;
            continue;
        }
        let note = (number > 1).then(|| {
            let (count, after) = (policy.steps.len(), show(step.after));
            climbed.moments.push(format!(
                "step {number} of {count} of {}: {}",
                policy.name,
                channels.join(", ")
            ));
            let name = &policy.name;
            match unreached {
                true => format!("Step {number} of {count} of {name}: nobody is there before."),
                false => format!("Step {number} of {count} of {name}: nobody took it in {after}."),
            }
        });
        climbed.tell(channels, note.as_deref(), policy.recovery);
    }
}

fn repeats(view: &View<'_>, policy: &Policy, progress: &mut Progress, climbed: &mut Climbed) {
    let (Some(repeat), Some(last)) = (policy.repeat, policy.steps.last()) else { return };
    if progress.step < policy.steps.len() || progress.repeats >= repeat.times {
        return;
    }
    let mut due = progress.last.checked_add(repeat.every).unwrap_or(Timestamp::MAX);
    if due <= view.now {
        progress.repeats += 1;
        progress.last = view.now;
        let (channels, _) = view.rules.channels(&last.who, view.now);
        let note =
            format!("Reminder {} of {}: nobody has taken it.", progress.repeats, repeat.times);
        climbed.tell(channels, Some(&note), policy.recovery);
        if progress.repeats >= repeat.times {
            return;
        }
        due = view.now.checked_add(repeat.every).unwrap_or(Timestamp::MAX);
    }
    climbed.wake_at(due);
}

/// The policy of a digest's key.
pub(super) fn digest_policy(key: &str) -> &str {
    key.split_once(SEPARATOR).map_or(key, |(policy, _)| policy)
}

/// The channel of a digest's key.
pub(super) fn digest_channel(key: &str) -> &str {
    key.split_once(SEPARATOR).map_or("", |(_, channel)| channel)
}
