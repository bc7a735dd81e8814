#pragma once

#include <string_view>

namespace oubliette::tools {

// Tells the service manager about this process (sd_notify(3)): one datagram to $NOTIFY_SOCKET, as
// systemd documents it. Without that variable nothing happens; a manager that does not listen is
// not our failure.
void notify_service_manager(std::string_view state) noexcept;

}  // namespace oubliette::tools
