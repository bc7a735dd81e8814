#pragma once

// Memory for threads that cannot fail: what they do is durable already and has to be finished, and
// nobody above them could catch std::bad_alloc. While a PatientMemory lives on a thread, an
// allocation by operator new that finds no memory is tried again every millisecond, for ten
// seconds at most: a process that has had no memory for so long is better restarted. Requests on
// other threads fail at once, as ever, which is what gives the memory back.
//
// Also around library calls that allocate where they must not throw. Does not help against
// malloc() in C libraries, which report the error themselves.

namespace oubliette::crypto {

class PatientMemory {
public:
    PatientMemory() noexcept;
    ~PatientMemory();
    PatientMemory(const PatientMemory&) = delete;
    PatientMemory& operator=(const PatientMemory&) = delete;
};

}  // namespace oubliette::crypto
