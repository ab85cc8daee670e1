package smpp

// Address is a number, or a name, of a handset or a service.
type Address struct {
	TON, NPI uint8 // type of number, numbering plan
	Addr     string
}

// Types of numbers.
const (
	TONUnknown       = 0
	TONInternational = 1
	TONNational      = 2
	TONNetwork       = 3
	TONSubscriber    = 4
	TONAlphanumeric  = 5
	TONAbbreviated   = 6
)

// NPIISDN is the numbering plan of telephones, E.164.
const NPIISDN = 1

// Version is that of the protocol, in Bind and TagInterfaceVersion.
const Version = 0x34

// The sizes of strings in octets, with their NUL.
const (
	sizeSystemID  = 16
	sizePassword  = 65 // 9 by the standard; many an SMSC takes more
	sizeType      = 13
	sizeRange     = 41
	sizeService   = 6
	sizeAddr      = 21
	sizeLongAddr  = 65 // in data_sm and alert_notification
	sizeMessageID = 65
)

// StandardPassword is the longest password of the standard.
const StandardPassword = 8

// Bind is the body of bind_receiver, bind_transmitter and bind_transceiver.
type Bind struct {
	SystemID, Password, SystemType string
	Version                        uint8
	Range                          Address // addresses that this side serves
}

func (m *Bind) layout(f *fields) {
	f.text(&m.SystemID, sizeSystemID, "system_id")
	f.text(&m.Password, sizePassword, "password")
	f.text(&m.SystemType, sizeType, "system_type")
	f.octet(&m.Version, "interface_version")
	f.address(&m.Range, sizeRange, "address_range")
}

// BindResp is the body of the responses to binds.
type BindResp struct {
	SystemID string
	TLVs     TLVs
}

func (m *BindResp) layout(f *fields) {
	f.text(&m.SystemID, sizeSystemID, "system_id")
	f.tlvs(&m.TLVs)
}

// OutbindBody asks the other side to bind.
type OutbindBody struct{ SystemID, Password string }

func (m *OutbindBody) layout(f *fields) {
	f.text(&m.SystemID, sizeSystemID, "system_id")
	f.text(&m.Password, sizePassword, "password")
}

// Short is the body of submit_sm and deliver_sm.
type Short struct {
	ServiceType          string
	Source, Dest         Address
	ESMClass             uint8
	ProtocolID, Priority uint8
	Schedule, Validity   string // "" or 16 octets
	RegisteredDelivery   uint8
	ReplaceIfPresent     uint8
	DataCoding           uint8
	DefaultMsgID         uint8
	Message              []byte // the short_message, at most MaxShort
	TLVs                 TLVs
}

func (m *Short) layout(f *fields) {
	f.text(&m.ServiceType, sizeService, "service_type")
	f.address(&m.Source, sizeAddr, "source_addr")
	f.address(&m.Dest, sizeAddr, "destination_addr")
	m.rest(f)
}

// rest is what follows the addresses.
func (m *Short) rest(f *fields) {
	f.octet(&m.ESMClass, "esm_class")
	f.octet(&m.ProtocolID, "protocol_id")
	f.octet(&m.Priority, "priority_flag")
	f.timestamp(&m.Schedule, "schedule_delivery_time")
	f.timestamp(&m.Validity, "validity_period")
	f.octet(&m.RegisteredDelivery, "registered_delivery")
	f.octet(&m.ReplaceIfPresent, "replace_if_present_flag")
	f.octet(&m.DataCoding, "data_coding")
	f.octet(&m.DefaultMsgID, "sm_default_msg_id")
	f.short(&m.Message)
	f.tlvs(&m.TLVs)
}

// Taken is the body of the responses to submit_sm, deliver_sm and data_sm; to
// deliver_sm the id is empty.
type Taken struct {
	MessageID string
	TLVs      TLVs
}

func (m *Taken) layout(f *fields) {
	f.text(&m.MessageID, sizeMessageID, "message_id")
	f.tlvs(&m.TLVs)
}

// Data is the body of data_sm; its text is in TagMessagePayload.
type Data struct {
	ServiceType        string
	Source, Dest       Address
	ESMClass           uint8
	RegisteredDelivery uint8
	DataCoding         uint8
	TLVs               TLVs
}

func (m *Data) layout(f *fields) {
	f.text(&m.ServiceType, sizeService, "service_type")
	f.address(&m.Source, sizeLongAddr, "source_addr")
	f.address(&m.Dest, sizeLongAddr, "destination_addr")
	f.octet(&m.ESMClass, "esm_class")
	f.octet(&m.RegisteredDelivery, "registered_delivery")
	f.octet(&m.DataCoding, "data_coding")
	f.tlvs(&m.TLVs)
}

// Alert says that a handset can be reached again.
type Alert struct {
	Source, ESME Address
	TLVs         TLVs
}

func (m *Alert) layout(f *fields) {
	f.address(&m.Source, sizeLongAddr, "source_addr")
	f.address(&m.ESME, sizeLongAddr, "esme_addr")
	f.tlvs(&m.TLVs)
}

// bodyOf returns an empty body of a command, nil if it has none, and whether the
// command is known.
func bodyOf(id ID) (Body, bool) {
	switch id {
	case BindReceiver, BindTransmitter, BindTransceiver:
		return &Bind{}, true
	case BindReceiver.Response(), BindTransmitter.Response(), BindTransceiver.Response():
		return &BindResp{}, true
	case Outbind:
		return &OutbindBody{}, true
	case SubmitSM, DeliverSM:
		return &Short{}, true
	case SubmitSM.Response(), DeliverSM.Response(), DataSM.Response():
		return &Taken{}, true
	case DataSM:
		return &Data{}, true
	case SubmitMulti:
		return &Multi{}, true
	case SubmitMulti.Response():
		return &MultiResp{}, true
	case QuerySM:
		return &Query{}, true
	case QuerySM.Response():
		return &QueryResp{}, true
	case CancelSM:
		return &Cancel{}, true
	case ReplaceSM:
		return &Replace{}, true
	case AlertNotification:
		return &Alert{}, true
	case Unbind, EnquireLink, GenericNack, Unbind.Response(), EnquireLink.Response(),
		CancelSM.Response(), ReplaceSM.Response():
		return nil, true
	}
	return nil, false
}
