#include "tools/service_notice.hpp"

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace oubliette::tools {

void notify_service_manager(std::string_view state) noexcept {
    const char* const path = std::getenv("NOTIFY_SOCKET");
    if (path == nullptr || *path == '\0') return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::size_t size = std::strlen(path);
    if (size >= sizeof(address.sun_path)) return;
    std::memcpy(address.sun_path, path, size);
    if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // abstract socket
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return;
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
    const auto* const target = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    (void)::sendto(socket, state.data(), state.size(), MSG_NOSIGNAL, target, length);
    (void)::close(socket);
}

}  // namespace oubliette::tools
