Attribute VB_Name = "KmvServer"
Option Explicit
Option Private Module

' COM starts the server of this class by itself, with the Python that `xlkmv install` belongs to.
Private Const SERVER As String = "xlkmv.Server"
' A start that failed is not tried again at once, or many cells would wait one after the other: not for these
' seconds, and ten times as long as the failure took.
Private Const PATIENCE As Long = 20

Private mServer As Object
Private mNotBefore As Date

' Value of one argument: what a range holds, never the range itself. Missing stays missing.
Public Function KmvValue(ByVal argument As Variant) As Variant
    If IsObject(argument) Then KmvValue = argument.Value2 Else KmvValue = argument
End Function

' Calls a worksheet function; a server that died is started anew, once.
Public Function KmvCall(ByVal functionName As String, ByVal arguments As Variant) As Variant
    On Error Resume Next
    KmvCall = KmvCells(KmvConnect().Call(functionName, arguments))
    If Err.Number = 0 Then Exit Function
    Err.Clear
    Set mServer = Nothing
    KmvCall = KmvCells(KmvConnect().Call(functionName, arguments))
    If Err.Number <> 0 Then KmvCall = CVErr(xlErrNA)
End Function

' The server, alive, or Nothing: asked for before a call that must not be made twice.
Public Function KmvAlive() As Object
    Dim version As String
    On Error Resume Next
    mNotBefore = 0
    version = KmvConnect().Version()
    If Err.Number <> 0 Then
        Err.Clear
        Set mServer = Nothing
        mNotBefore = 0
        version = KmvConnect().Version()
    End If
    If Err.Number = 0 Then Set KmvAlive = mServer
End Function

Private Function KmvConnect() As Object
    Dim started As Date
    If mServer Is Nothing Then
        started = Now
        If started < mNotBefore Then Err.Raise 429
        KmvSay KmvSaid("KMV: starting Python ...")
        On Error Resume Next
        Set mServer = CreateObject(SERVER)
        On Error GoTo 0
        If mServer Is Nothing Then
            mNotBefore = Now + 10 * (Now - started) + PATIENCE / 86400
            KmvSay KmvSaid("KMV: Python does not answer. In a terminal: xlkmv doctor --fix")
            Err.Raise 429
        End If
        KmvSay False
    End If
    Set KmvConnect = mServer
End Function

' A text in the language of the workbook in front; of Excel, where that says nothing. Both have sheet Texts.
Public Function KmvSaid(ByVal text As String) As String
    Dim language As String, texts As Range, other As String
    KmvSaid = text
    On Error Resume Next
    Set texts = ThisWorkbook.Worksheets("Texts").Columns("B:C")
    If (Application.LanguageSettings.LanguageID(2) And 1023) = 4 Then language = "zh"
    language = LCase$(Trim$(ActiveWorkbook.Names("in_Language").RefersToRange.Value2))
    If language = Application.WorksheetFunction.VLookup("English", texts, 2, False) Then language = "zh"
    If language = "zh" Then other = Application.WorksheetFunction.VLookup(text, texts, 2, False)
    ' A message box has the characters of one language only, that of the computer.
    If other <> "" And StrConv(StrConv(other, vbFromUnicode), vbUnicode) = other Then KmvSaid = other
End Function

Private Sub KmvSay(ByVal text As Variant)
    On Error Resume Next
    Application.StatusBar = text
End Sub

' Results without errors pass untouched. Marked ones have one more row at the top, and texts that stand
' for error values begin with the same mark.
Private Function KmvCells(ByVal answer As Variant) As Variant
    Dim row As Long, column As Long, filled() As Variant
    If Not IsArray(answer) Then
        KmvCells = KmvCell(answer)
    ElseIf Not KmvMarked(answer(LBound(answer, 1), LBound(answer, 2))) Then
        KmvCells = answer
    Else
        ReDim filled(1 To UBound(answer, 1) - LBound(answer, 1), 1 To UBound(answer, 2) - LBound(answer, 2) + 1)
        For row = 1 To UBound(filled, 1)
            For column = 1 To UBound(filled, 2)
                filled(row, column) = KmvCell(answer(LBound(answer, 1) + row, LBound(answer, 2) + column - 1))
            Next column
        Next row
        KmvCells = filled
    End If
End Function

Private Function KmvMarked(ByVal value As Variant) As Boolean
    If VarType(value) = vbString Then KmvMarked = (Left$(value, 1) = Chr$(1))
End Function

Private Function KmvCell(ByVal value As Variant) As Variant
    If Not KmvMarked(value) Then
        KmvCell = value
    ElseIf Mid$(value, 2) = "#NUM!" Then
        KmvCell = CVErr(xlErrNum)
    ElseIf Mid$(value, 2) = "#N/A" Then
        KmvCell = CVErr(xlErrNA)
    Else
        KmvCell = CVErr(xlErrValue)
    End If
End Function
