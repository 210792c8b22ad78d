//! Storms and digests: when several messages become one. The first few go alone and at once; a
//! group tells its beginning at once too, and then what came in since, ever more rarely.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Alerting, Key, Out, View};
use crate::incident::{Incident, Phase, incident_id, rounded};
use crate::notice::{
    Group as Shown, LISTED_MAX, Member, MonitorBrief, Notice, NoticeBody, NoticeEvent, body,
};
use crate::observation::State;
use crate::units::{ms, show};

/// A group that hears of nothing new for so long takes in nobody any more.
const GATHER_MAX: Duration = Duration::from_mins(1);
/// Between two messages of a group, doubled each time.
const GAP_FIRST: Duration = Duration::from_secs(5);
/// And at most.
const GAP_MAX: Duration = Duration::from_mins(5);
/// Hosts of a group that are counted.
const HOSTS_MAX: usize = 50;
/// Names in the first line.
const NAMED_MAX: usize = 3;

/// When a channel was told of single incidents.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent(VecDeque<Timestamp>);

/// A storm, as one channel hears of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Group {
    channel: String,
    /// Its first member, for what a group has to have.
    first: Box<Incident>,
    added_at: Timestamp,
    told: u32,
    pub(super) flush_at: Option<Timestamp>,
    #[serde(rename = "gap_ms", with = "ms")]
    gap: Duration,
    count: usize,
    open: usize,
    /// Since the last message: came in, ended, are to be said again.
    fresh: usize,
    back: usize,
    remind: usize,
    /// The first of them.
    listed: Vec<Member>,
    hosts: BTreeMap<String, usize>,
    any_down: bool,
}

impl Alerting {
    /// Everything that this round has to say, as messages.
    pub(super) fn gather(&mut self, view: &View<'_>) -> Vec<Notice> {
        let mut opened: BTreeMap<String, Vec<Out>> = BTreeMap::new();
        let (beginnings, others): (Vec<Out>, Vec<Out>) =
            std::mem::take(&mut self.out).into_iter().partition(Out::begins);
        let mut begun = BTreeSet::new();
        for out in beginnings {
            begun.insert((out.channel.clone(), out.body.incident.id.clone()));
            opened.entry(out.channel.clone()).or_default().push(out);
        }
        let mut alone: Vec<Notice> = Vec::new();
        for (channel, outs) in opened {
            match self.group_for(view, &channel, outs.len()) {
                Some(id) => outs.iter().for_each(|out| self.join(view, &id, out)),
                None => alone.extend(outs.into_iter().map(Out::notice)),
            }
        }
        // What has changed in the very round of its beginning is told after it.
        let (mut notices, mut changes) = (Vec::new(), Vec::new());
        for out in others {
            match (out.body.event, self.group_of(&out)) {
                (NoticeEvent::Reminded, Some(id)) => self.remind(&id, view.now),
                // What changes within a storm is not worth a message each.
                (NoticeEvent::Updated, Some(_)) => {}
                _ if begun.contains(&(out.channel.clone(), out.body.incident.id.clone())) => {
                    changes.push(out.notice());
                }
                _ => notices.push(out.notice()),
            }
        }
        notices.extend(alone);
        notices.extend(changes);
        let due = |group: &Group| group.flush_at.is_some_and(|at| at <= view.now);
        let due: Vec<String> =
            self.groups.iter().filter(|(_, group)| due(group)).map(|(id, _)| id.clone()).collect();
        for id in due {
            notices.extend(self.flush(view, &id));
        }
        notices
    }

    fn group_of(&self, out: &Out) -> Option<String> {
        let escalation = self.escalations.get(&out.body.incident.id)?;
        escalation.heard.get(&out.channel)?.group.clone()
    }

    /// The group that takes in `count` incidents more; `None`: they go alone.
    fn group_for(&mut self, view: &View<'_>, channel: &str, count: usize) -> Option<String> {
        let grouping = view.rules.grouping?;
        let since = |span: Duration| view.now.checked_sub(span).unwrap_or(Timestamp::MIN);
        let open = |group: &Group| {
            group.channel == channel && group.added_at > since(GATHER_MAX) && group.open > 0
        };
        if let Some((id, _)) = self.groups.iter().find(|(_, group)| open(group)) {
            return Some(id.clone());
        }
        let recent = self.recent.entry(channel.to_owned()).or_default();
        recent.0.retain(|at| *at > since(grouping.window));
        if recent.0.len() + count <= grouping.after {
            recent.0.extend(std::iter::repeat_n(view.now, count));
            return None;
        }
        Some(format!("group-{}", incident_id(channel, view.now)))
    }

    fn join(&mut self, view: &View<'_>, id: &str, out: &Out) {
        let (incident, monitor) = (&out.body.incident.id, &out.body.monitor.name);
        let Some(incident) = view.incident(monitor, incident) else { return };
        let group = self.groups.entry(id.to_owned()).or_insert_with(|| Group {
            channel: out.channel.clone(),
            first: Box::new(Incident { timeline: Vec::new(), ..incident.clone() }),
            added_at: view.now,
            told: 0,
            flush_at: None,
            gap: Duration::ZERO,
            count: 0,
            open: 0,
            fresh: 0,
            back: 0,
            remind: 0,
            listed: Vec::new(),
            hosts: BTreeMap::new(),
            any_down: false,
        });
        group.add(incident, view.now);
        self.plan_flush(id, view.now);
        self.joined(view, &incident.id, &out.channel, id);
    }

    /// A member's incident has ended.
    pub(super) fn leave(&mut self, view: &View<'_>, id: &str, incident: &Incident) {
        let Some(group) = self.groups.get_mut(id) else { return };
        group.open = group.open.saturating_sub(1);
        group.back += 1;
        group.list(Member::of(incident));
        self.plan_flush(id, view.now);
    }

    fn remind(&mut self, id: &str, now: Timestamp) {
        let Some(group) = self.groups.get_mut(id) else { return };
        group.remind += 1;
        self.plan_flush(id, now);
    }

    /// The next message comes after the gap, the first and the last at once.
    fn plan_flush(&mut self, id: &str, now: Timestamp) {
        let Some(group) = self.groups.get_mut(id) else { return };
        self.dirty.insert(Key::Group(id.to_owned()));
        let at = if group.open == 0 || group.told == 0 {
            now
        } else {
            now.checked_add(group.gap).unwrap_or(Timestamp::MAX)
        };
        let planned = group.flush_at.map_or(at, |planned| planned.min(at));
        if let Some(before) = group.flush_at.replace(planned) {
            self.wakes.remove(&(before, Key::Group(id.to_owned())));
        }
        self.wakes.insert((planned, Key::Group(id.to_owned())));
    }

    fn flush(&mut self, view: &View<'_>, id: &str) -> Option<Notice> {
        let group = self.groups.get_mut(id)?;
        let key = Key::Group(id.to_owned());
        if let Some(at) = group.flush_at.take() {
            self.wakes.remove(&(at, key.clone()));
        }
        self.dirty.insert(key);
        group.told += 1;
        let notice = Notice {
            key: format!("{id}.{}.{}", group.told, group.channel),
            channel: group.channel.clone(),
            body: group.body(view, id),
        };
        group.gap = (group.gap * 2).clamp(GAP_FIRST, GAP_MAX);
        (group.fresh, group.back, group.remind) = (0, 0, 0);
        group.listed.clear();
        if group.open == 0 {
            self.groups.remove(id);
        }
        Some(notice)
    }
}

impl Out {
    fn begins(&self) -> bool {
        self.body.event == NoticeEvent::Opened
    }

    fn notice(self) -> Notice {
        let key = format!("{}.{}.{}", self.body.incident.id, self.sequence, self.channel);
        Notice { key, channel: self.channel, body: self.body }
    }
}

impl Group {
    fn add(&mut self, incident: &Incident, now: Timestamp) {
        self.added_at = now;
        self.count += 1;
        self.open += 1;
        self.fresh += 1;
        self.any_down |= incident.diagnosis.state == State::Down;
        self.list(Member::of(incident));
        let host = &incident.diagnosis.target.host;
        if self.hosts.contains_key(host) || self.hosts.len() < HOSTS_MAX {
            *self.hosts.entry(host.clone()).or_default() += 1;
        }
    }

    fn list(&mut self, member: Member) {
        if self.listed.len() < LISTED_MAX {
            self.listed.push(member);
        }
    }

    fn body(&self, view: &View<'_>, id: &str) -> NoticeBody {
        let event = match (self.told, self.open, self.fresh + self.back, self.remind) {
            (_, 0, ..) => NoticeEvent::Resolved,
            (1, ..) => NoticeEvent::Opened,
            (_, _, 0, 1..) => NoticeEvent::Reminded,
            _ => NoticeEvent::Updated,
        };
        let listed = self.listed.clone();
        let title = self.title(event, view.now);
        let mut whole = self.first.as_ref().clone();
        id.clone_into(&mut whole.id);
        whole.monitor = format!("{} monitors", thousands(self.count));
        Arc::make_mut(&mut whole.diagnosis).summary = format!("{title}.");
        if self.open == 0 {
            whole.phase = Phase::Resolved;
            whole.resolved_at = Some(view.now);
        }
        let mut body = body(event, &whole, view.base_url, view.now);
        body.incident.url = list_url(view.base_url);
        body.monitor = MonitorBrief { name: whole.monitor, target: self.spread() };
        body.group = Some(Shown { title, count: self.count, open: self.open, listed });
        body
    }

    fn title(&self, event: NoticeEvent, now: Timestamp) -> String {
        let state = if self.any_down { "down" } else { "degraded" };
        let of = match self.hosts.first_key_value() {
            Some((host, n)) if *n == self.count => format!(" of {host}"),
            _ => String::new(),
        };
        let (count, open) = (monitors(self.count, &of), monitors(self.open, &of));
        let (is, are) = (verb(self.open), verb(self.count));
        let lasted = show(rounded(self.first.duration(now)));
        match event {
            NoticeEvent::Resolved => format!("all {count} {are} up again after {lasted}"),
            NoticeEvent::Reminded => format!("{open} {is} still {state} after {lasted}"),
            NoticeEvent::Opened => {
                format!("{count} {are} {state}: {}", named(&self.listed, self.count))
            }
            _ if self.fresh == 0 => {
                let back = thousands(self.count - self.open);
                format!("{back} of {count} up again, {} still {state}", thousands(self.open))
            }
            _ => format!(
                "{open} {is} {state}, {} more: {}",
                thousands(self.fresh),
                named(&self.listed, self.fresh)
            ),
        }
    }

    /// Which hosts, most first.
    fn spread(&self) -> String {
        let mut hosts: Vec<(&String, &usize)> = self.hosts.iter().collect();
        hosts.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let shown = hosts.iter().take(NAMED_MAX).map(|(host, n)| format!("{host} ({n})"));
        let shown = shown.collect::<Vec<_>>().join(", ");
        if hosts.len() > NAMED_MAX { format!("{shown}, …") } else { shown }
    }
}

/// What was collected for one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Digest {
    /// Its key: policy and channel.
    key: String,
    pub(super) channel: String,
    pub(super) due: Timestamp,
    first: Box<Incident>,
    count: usize,
    open: usize,
    listed: Vec<Member>,
}

impl Digest {
    pub(super) fn new(key: &str, channel: &str, due: Timestamp, first: &Incident) -> Self {
        Self {
            key: key.to_owned(),
            channel: channel.to_owned(),
            due,
            first: Box::new(Incident { timeline: Vec::new(), ..first.clone() }),
            count: 0,
            open: 0,
            listed: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, member: Member) {
        self.count += 1;
        self.open += usize::from(member.resolved_at.is_none());
        if self.listed.len() < LISTED_MAX {
            self.listed.push(member);
        }
    }

    pub(super) fn end(&mut self, member: Member) {
        self.open = self.open.saturating_sub(1);
        let mine = |listed: &&mut Member| listed.incident == member.incident;
        if let Some(listed) = self.listed.iter_mut().find(mine) {
            *listed = member;
        }
    }

    pub(super) fn body(&self, view: &View<'_>) -> NoticeBody {
        let plural = if self.count == 1 { "incident" } else { "incidents" };
        let open = match self.open {
            0 => "all are over".to_owned(),
            open => format!("{} not over", thousands(open)),
        };
        let count = thousands(self.count);
        let title = format!("{count} {plural}, {open}: {}", named(&self.listed, self.count));
        let mut whole = self.first.as_ref().clone();
        whole.id = format!("digest-{}", incident_id(&self.key, self.due));
        whole.monitor = format!("{count} {plural}");
        Arc::make_mut(&mut whole.diagnosis).summary = format!("{title}.");
        let mut body = body(NoticeEvent::Digest, &whole, view.base_url, view.now);
        body.incident.url = view.base_url.map(|base| format!("{base}/incidents"));
        body.monitor.target = "several targets".to_owned();
        let listed = self.listed.clone();
        body.group = Some(Shown { title, count: self.count, open: self.open, listed });
        body
    }
}

fn list_url(base_url: Option<&str>) -> Option<String> {
    base_url.map(|base| format!("{}/incidents?state=open", base.trim_end_matches('/')))
}

fn monitors(count: usize, of: &str) -> String {
    let word = if count == 1 { "monitor" } else { "monitors" };
    format!("{} {word}{of}", thousands(count))
}

const fn verb(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// The first names of a list.
fn named(listed: &[Member], count: usize) -> String {
    let names = listed.iter().take(NAMED_MAX).map(|member| member.monitor.as_str());
    let names = names.collect::<Vec<_>>().join(", ");
    if count > NAMED_MAX { format!("{names}, …") } else { names }
}

/// `4,997`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
