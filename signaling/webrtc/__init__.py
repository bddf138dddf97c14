"""WebRTC's half of a call: descriptions, ICE and DTLS here, the sound in the engine.

What legs see of it is signaling/peer_media.py; ``WebRtc`` makes one such PeerMedia per call.
"""

from signaling.webrtc.media import WebRtc, WebRtcMedia
from signaling.webrtc.settings import WebRtcSettings

__all__ = ["WebRtc", "WebRtcMedia", "WebRtcSettings"]
