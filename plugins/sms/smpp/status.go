package smpp

import "fmt"

// Status is a command_status.
type Status uint32

// The statuses that we use ourselves.
const (
	OK               Status = 0x00
	InvalidLength    Status = 0x01 // of the message
	InvalidCmdLength Status = 0x02
	InvalidCommand   Status = 0x03
	InvalidBindState Status = 0x04
	AlreadyBound     Status = 0x05
	SystemError      Status = 0x08
	InvalidSource    Status = 0x0A
	InvalidDest      Status = 0x0B
	BindFailed       Status = 0x0D
	InvalidPassword  Status = 0x0E
	InvalidSystemID  Status = 0x0F
	QueueFull        Status = 0x14
	SubmitFailed     Status = 0x45
	InvalidSystemTyp Status = 0x53
	Throttled        Status = 0x58
	TemporaryError   Status = 0x64 // ESME_RX_T_APPN: it may come again
	PermanentError   Status = 0x65
	Refused          Status = 0x66
	DeliveryFailure  Status = 0xFE
	UnknownError     Status = 0xFF
)

// statusName returns the name of the standard, without ESME_, "" if there is none.
func statusName(s Status) string {
	switch s {
	case OK:
		return "ROK"
	case InvalidLength:
		return "RINVMSGLEN"
	case InvalidCmdLength:
		return "RINVCMDLEN"
	case InvalidCommand:
		return "RINVCMDID"
	case InvalidBindState:
		return "RINVBNDSTS"
	case AlreadyBound:
		return "RALYBND"
	case 0x06:
		return "RINVPRTFLG"
	case 0x07:
		return "RINVREGDLVFLG"
	case SystemError:
		return "RSYSERR"
	case InvalidSource:
		return "RINVSRCADR"
	case InvalidDest:
		return "RINVDSTADR"
	case 0x0C:
		return "RINVMSGID"
	case BindFailed:
		return "RBINDFAIL"
	case InvalidPassword:
		return "RINVPASWD"
	case InvalidSystemID:
		return "RINVSYSID"
	case 0x11:
		return "RCANCELFAIL"
	case 0x13:
		return "RREPLACEFAIL"
	case QueueFull:
		return "RMSGQFUL"
	case 0x15:
		return "RINVSERTYP"
	case 0x43:
		return "RINVESMCLASS"
	case SubmitFailed:
		return "RSUBMITFAIL"
	case 0x48:
		return "RINVSRCTON"
	case 0x49:
		return "RINVSRCNPI"
	case 0x50:
		return "RINVDSTTON"
	case 0x51:
		return "RINVDSTNPI"
	case InvalidSystemTyp:
		return "RINVSYSTYP"
	case Throttled:
		return "RTHROTTLED"
	case 0x61:
		return "RINVSCHED"
	case 0x62:
		return "RINVEXPIRY"
	case TemporaryError:
		return "RX_T_APPN"
	case PermanentError:
		return "RX_P_APPN"
	case Refused:
		return "RX_R_APPN"
	case 0x67:
		return "RQUERYFAIL"
	case 0xC0:
		return "RINVOPTPARSTREAM"
	case 0xC1:
		return "ROPTPARNOTALLWD"
	case 0xC2:
		return "RINVPARLEN"
	case 0xC3:
		return "RMISSINGOPTPARAM"
	case 0xC4:
		return "RINVOPTPARAMVAL"
	case DeliveryFailure:
		return "RDELIVERYFAILURE"
	case UnknownError:
		return "RUNKNOWNERR"
	}
	return ""
}

// String returns the status as people look it up: its number and its name.
func (s Status) String() string {
	if name := statusName(s); name != "" {
		return fmt.Sprintf("0x%02X %s", uint32(s), name)
	}
	return fmt.Sprintf("0x%02X", uint32(s))
}

// StatusError is a response that reports an error.
type StatusError struct {
	Command ID // that was refused
	Status  Status
	Text    string // what additional_status_info_text says
}

// Error names command and status.
func (e *StatusError) Error() string {
	s := fmt.Sprintf("command %#x refused: %v", uint32(e.Command), e.Status)
	if e.Text != "" {
		s += " (" + e.Text + ")"
	}
	return s
}
