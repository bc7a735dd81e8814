#include "tests/model/protocol.hpp"

// Steps in words, for traces.

namespace oubliette::model {
namespace {

const char* name_of(Verb verb) {
    switch (verb) {
    case Verb::accept: return "a client asks to erase";
    case Verb::enrol: return "enrol";
    case Verb::expel: return "expel";
    case Verb::activate: return "make active";
    case Verb::start: return "start";
    case Verb::reopen: return "keepers are back: open them";
    case Verb::begin_group: return "begin a group";
    case Verb::begin_merge: return "merge a fork";
    case Verb::begin_catch_up: return "catch up";
    case Verb::begin_copy: return "full copy";
    case Verb::begin_pending: return "no group possible: write pending rows";
    case Verb::serve: return "serve";
    case Verb::finalise: return "final";
    case Verb::give_up: return "no keeper opens";
    case Verb::recover_overwrite: return "recovery overwrites the other slot";
    case Verb::recover_unlink: return "recovery unlinks the other directory";
    case Verb::recover_done: return "open";
    case Verb::check: return "k0 check";
    case Verb::write_anchor: return "k1 new anchor";
    case Verb::commit: return "k2 commit";
    case Verb::overwrite: return "k3 overwrite";
    case Verb::unlink: return "unlink the old directory";
    case Verb::acknowledge: return "k4 acknowledge";
    case Verb::write_pending: return "pending row";
    case Verb::refuse: return "k0 refuses";
    case Verb::refuse_expelled: return "not to be believed, closed:";
    case Verb::retire: return "overwrite all anchors of";
    case Verb::crash: return "CRASH";
    case Verb::tear: return "CRASH with a torn block";
    case Verb::unmount: return "GOES AWAY";
    case Verb::mount: return "comes back";
    case Verb::lose: return "LOST FOR EVER";
    case Verb::split: return "PARTITION";
    case Verb::heal: return "partition ends";
    case Verb::restore_data: return "RESTORE of an old data plane";
    }
    return "";
}

bool concerns_request(Verb verb) {
    return verb == Verb::accept || verb == Verb::finalise;
}

}  // namespace

std::string text_of(const Action& action) {
    std::string text;
    if (action.leader != kNone) text += "leader " + std::to_string(action.leader + 1) + ": ";
    text += name_of(action.verb);
    if (action.subject == kNone) return text;
    if (concerns_request(action.verb)) return text + " " + static_cast<char>('X' + action.subject);
    return text + " k" + std::to_string(action.subject + 1);
}

}  // namespace oubliette::model
