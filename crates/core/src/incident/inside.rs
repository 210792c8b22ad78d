//! What happened on the failing machine, on an incident's time line.

use crate::diagnosis::Diagnosis;

use super::{Incident, Moment, MomentKind};

/// What happened on the failing machine takes its place on the time line. True: there was news.
pub(super) fn enter_inside(incident: &mut Incident, diagnosis: &Diagnosis) -> bool {
    let before = incident.timeline.len();
    for happening in &diagnosis.happenings {
        let known = |moment: &Moment| moment.at == happening.at && moment.text == happening.text;
        if !incident.timeline.iter().any(known) {
            incident.note(happening.at, MomentKind::Inside, happening.text.clone());
        }
    }
    let news = incident.timeline.len() > before;
    if news {
        incident.timeline.sort_by_key(|moment| moment.at);
    }
    news
}

/// The same for an incident that is open already: what is known inside founds the same verdict
/// better.
pub(super) fn refine(incident: &mut Incident, diagnosis: &Diagnosis, changed: bool) -> bool {
    let news = enter_inside(incident, diagnosis);
    if news && !changed {
        incident.revise(diagnosis);
    }
    news
}
