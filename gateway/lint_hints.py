"""How to mend what ``ringfork lint`` finds: a sentence for each of Twilio's codes that a document can have.

Pure. Editing rule: a code that gateway/twiml can give has a row here; tests/gateway/test_lint.py fails without it.
"""

from collections.abc import Mapping
from typing import Final

_METHOD = "Write GET or POST in capitals, or leave the attribute out: then it is POST."
_BOOLEAN = "Write true or false in lower case, or leave the attribute out."
_SECONDS = "Write a whole number of seconds in the range named, without unit; without the attribute the default holds."
_CALLBACK = "Write a URL with http or https whose host has no underscore, or a path against the document's own URL."
_URL = "Write a URL with http or https, or a path against the document's own URL; & in it is written &amp;."
_NEST = "Move the element to where it may stand, or take it out."
_LOOP = "Write a whole number; 0 repeats it until the call ends, at most 1000 times."
_SIP_URI = "Write sip:user@host, with parameters behind a ; and headers behind a ?, and & as &amp;."
_HEADER = "Name only headers that begin with X- (or User-to-User), with values that can be printed."

HINTS: Final[Mapping[int, str]] = {
    11100: _URL,
    11750: "Split the document: the rest can follow in one that a <Redirect> leads to.",
    11770: "Answer with at least <Response/>: that hangs up, or goes on where a document may be empty.",
    12100: "Write well-formed XML: every tag closed, values in straight quotes, & as &amp; and < as &lt;.",
    12101: 'Begin with <?xml version="1.0" encoding="UTF-8"?>, or leave that line out.',
    12102: "Put everything into one <Response>, with a capital R.",
    12200: "Compare the name with Twilio's reference: elements begin with a capital, attributes with a small letter.",
    12300: "Send the document with the header Content-Type: text/xml.",
    13000: "Put the <Conference> into a <Dial> of its own.",
    13210: _METHOD,
    13212: _SECONDS,
    13213: _BOOLEAN,
    13214: "Write a number in E.164 form such as +15550100, client:name, or leave the caller's own.",
    13215: "Only Number, Client, Sip, Sim, Conference, Queue, Application and WhatsApp may stand in a <Dial>.",
    13216: _SECONDS,
    13217: "Write do-not-record, record-from-answer, record-from-ringing, or the last two with -dual behind.",
    13218: _BOOLEAN,
    13219: _BOOLEAN,
    13220: "Write a country of the ringTone list in small letters, such as us or uk.",
    13221: _METHOD,
    13222: "Write the keys 0-9 A-D # * to press; w waits half a second, W a whole one.",
    13223: "Write the number in E.164 form: +, country code, number, without letters.",
    13230: _BOOLEAN,
    13231: _BOOLEAN,
    13232: _BOOLEAN,
    13233: _URL,
    13234: _METHOD,
    13235: "Write true, false, onEnter or onExit.",
    13237: "Give the conference a name of at most 128 characters as the element's text.",
    13239: "Write trim-silence or do-not-trim.",
    13240: "Write the CallSid of the party who is to be coached: CA and 32 hexadecimal digits.",
    13241: _METHOD,
    13243: _SIP_URI,
    13248: "Shorten the caller ID.",
    13249: "Give both username and password, or neither.",
    13250: "Dial at most ten parties at once; put the others into a second <Dial>.",
    13252: _HEADER,
    13253: "Shorten or drop headers: together they may have 1024 characters.",
    13256: _CALLBACK,
    13257: _CALLBACK,
    13310: "Write one key of 0-9 # *, or leave the value empty so that no key ends the input.",
    13312: _METHOD,
    13313: _SECONDS,
    13314: "Write a whole number of at least 1, or leave the attribute out: then there is no limit.",
    13320: "Only Say, Play (of a file) and Pause may stand in a <Gather>; put other verbs behind it.",
    13321: "Write man, woman, or a voice such as Polly.Joanna.",
    13322: _LOOP,
    13326: 'Write dtmf, speech, or both: input="dtmf speech".',
    13327: _SECONDS,
    13328: "Write a whole number of seconds from 1 to 60.",
    13329: _METHOD,
    13330: "Write at most 500 phrases set apart by commas, each of at most 100 characters.",
    13331: "Write a language such as en-US.",
    13332: _BOOLEAN,
    13333: _BOOLEAN,
    13334: "Leave the attribute out.",
    13335: "Write speechTimeout in seconds, or leave speechModel out.",
    13338: _BOOLEAN,
    13410: _LOOP,
    13430: "Write the keys 0-9 A-D # * to play; w waits half a second, W a whole one.",
    13510: _LOOP,
    13511: "Write man, woman, or a voice such as Polly.Joanna.",
    13512: "Write a language such as en-US.",
    13520: "Write what is to be said between <Say> and </Say>.",
    13610: _METHOD,
    13611: _SECONDS,
    13612: "Write a whole number of seconds of at least 2.",
    13613: "Write the keys that end the recording, of 0-9 # *.",
    13614: _BOOLEAN,
    13615: "Write a maxLength of at most 120, or leave transcribe out.",
    13616: _BOOLEAN,
    13621: "Write one or more of in-progress, completed and absent, set apart by blanks.",
    13622: "Write inbound, outbound or both.",
    13699: "Write trim-silence or do-not-trim.",
    13710: _METHOD,
    13806: _CALLBACK,
    13810: "Write rejected or busy.",
    13910: _SECONDS,
    14103: "Write the text of the message between the tags.",
    14104: _METHOD,
    14105: _CALLBACK,
    14201: _METHOD,
    14202: _URL,
    14203: _URL,
    14204: "Write the queue's name between <Enqueue> and </Enqueue>, or give a workflowSid.",
    14205: "Shorten the queue's name.",
    14206: _METHOD,
    14210: _METHOD,
    14211: _URL,
    14212: "Write the queue's name between <Queue> and </Queue>.",
    14213: "Shorten the queue's name.",
    14220: "Write the workflow's sid, or leave the attribute out.",
    14300: _NEST,
    16023: "Write a label of at most 128 characters without /, which is no CallSid.",
    31105: "Write an identity of letters, digits and underscores.",
}

NOT_EXECUTED: Final = "Ringfork reads and checks this, but it has no effect here yet: do not rely on it."


def hint_for(code: int) -> str:
    return HINTS[code]
